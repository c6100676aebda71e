"""The loader's error log: what failed for good, for ``skyflow-loader -error-log`` to load again."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from typing import TextIO

from mockdata.sinks._files import TEMPORARY
from mockdata.sinks.skyflow.body import Body
from mockdata.sinks.skyflow.settings import VaultTarget

__all__ = ["ErrorLog"]


class ErrorLog:
    """One vault's error log, complete or absent: a run in which nothing fails makes none.

    It is written as records fail, so that it needs no memory, under a hidden name in the same
    folder, and gets its own name in the end. An earlier file is never written over.
    """

    def __init__(self, folder: str, target: VaultTarget) -> None:
        self._folder = folder
        self._target = target
        self._file: TextIO | None = None
        self._lost: OSError | None = None
        self._errors = self._records = 0

    def add(self, body: Body, status: int, problem: str) -> None:
        """Write down records that have failed, of one request and for one reason.

        Raises OSError if that cannot be done, and from then on.
        """
        entry = {
            "batch_number": body.number,
            "records": [{"Value": value, "Token": token} for value, token in body.pairs()],
            "error": problem,
            "status_code": status,
            "timestamp": _now().isoformat(),
        }
        with self._complete_or_absent():
            if self._file is None:
                self._file = self._begin()
            self._file.write((",\n" if self._errors else "") + json.dumps(entry))
        self._errors += 1
        self._records += body.records

    def close(self) -> str | None:
        """Give the file its name, and return it; None if there is no file."""
        if self._file is None or self._lost:
            return None
        with self._complete_or_absent():
            ending = f'],\n"total_errors":{self._errors},"failed_records":{self._records}}}\n'
            self._file.write(ending)
            self._file.close()
            return self._named(self._file.name)

    def _begin(self) -> TextIO:
        name = f".error_log_{self._target.name}.{os.urandom(4).hex()}{TEMPORARY}"
        file = open(os.path.join(self._folder, name), "x", encoding="utf-8")  # noqa: SIM115
        head = {
            "vault_name": self._target.name,
            "vault_id": self._target.id,
            "column": self._target.column,
            "timestamp": _now().isoformat(),
        }
        file.write(json.dumps(head)[:-1] + ',"errors":[\n')
        return file

    @contextmanager
    def _complete_or_absent(self) -> Iterator[None]:
        """Leave no file behind if one cannot be written, and name it in the error."""
        if self._lost is not None:
            raise self._lost
        try:
            yield
        except OSError as error:
            self._lost = error
            if self._file is not None:
                error.filename = error.filename or self._file.name
                with suppress(OSError):
                    self._file.close()
                with suppress(OSError):
                    os.unlink(self._file.name)
            raise

    def _named(self, temporary: str) -> str:
        """Give the file the first name that is free: another run may have taken this second."""
        when = _now()
        while True:
            name = f"error_log_{self._target.name}_{when:%Y%m%d_%H%M%S}.json"
            path = os.path.normpath(os.path.join(self._folder, name))
            try:
                open(
                    path, "x"
                ).close()  # from here on it is ours, without a link, which not all have
            except FileExistsError:
                when += timedelta(seconds=1)
                continue
            try:
                os.replace(temporary, path)
            except OSError:
                os.unlink(path)
                raise
            return path


def _now() -> datetime:
    return datetime.now().astimezone()
