"""The loader's error log: what failed for good, for ``skyflow-loader -error-log`` to load again."""

from __future__ import annotations

import json
import os
from contextlib import suppress
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
        self._errors = self._records = 0

    def add(self, body: Body, status: int, problem: str) -> None:
        """Write down records that have failed, of one request and for one reason."""
        separator = ",\n"
        if self._file is None:
            self._file, separator = self._begin(), ""
        entry = {
            "batch_number": body.number,
            "records": [{"Value": value, "Token": token} for value, token in body.pairs()],
            "error": problem,
            "status_code": status,
            "timestamp": _now().isoformat(),
        }
        self._file.write(separator + json.dumps(entry))
        self._errors += 1
        self._records += body.records

    def close(self) -> str | None:
        """Give the file its name, and return it; None if there is no file."""
        if self._file is None:
            return None
        self._file.write(f'],\n"total_errors":{self._errors},"failed_records":{self._records}}}\n')
        self._file.close()
        try:
            return self._named(self._file.name)
        finally:
            os.unlink(self._file.name)

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

    def _named(self, temporary: str) -> str:
        """Link the file to the first name that is free: another run may have taken this second."""
        when = _now()
        while True:
            name = f"error_log_{self._target.name}_{when:%Y%m%d_%H%M%S}.json"
            path = os.path.normpath(os.path.join(self._folder, name))
            with suppress(FileExistsError):
                os.link(temporary, path)
                return path
            when += timedelta(seconds=1)


def _now() -> datetime:
    return datetime.now().astimezone()
