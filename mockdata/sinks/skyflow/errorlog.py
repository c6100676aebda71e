"""The loader's error log: what failed for good, for ``skyflow-loader -error-log`` to load again."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timedelta

from mockdata.sinks.skyflow.body import Body
from mockdata.sinks.skyflow.settings import VaultTarget

__all__ = ["ErrorLog"]


class ErrorLog:
    """One vault's error log; there is no file unless a record fails. An earlier one stays as it is.

    Each entry is written with the log's ending behind it, over the ending before, so that the file
    is whole at any time. Where an entry finds no room, what was there before it is put back: that
    takes no room. Records of a table are written as a request has them, for they have several
    fields; the loader knows one alone.
    """

    def __init__(self, folder: str, target: VaultTarget, *, is_table: bool = False) -> None:
        self._folder = folder
        self._is_table = is_table
        self._target = target
        self._lost: OSError | None = None
        self._file = -1
        self._end = 0
        self._errors = self._records = 0
        self.path: str | None = None
        """The file, if there is one."""

    def add(self, body: Body, status: int, problem: str) -> None:
        """Write down records that have failed, of one request and for one reason.

        Raises OSError, with the file's name, if that cannot be done, and from then on.
        """
        if self._lost is not None:
            raise self._lost
        entry = {
            "batch_number": body.number,
            "records": self._records_of(body),
            "error": problem,
            "status_code": status,
            "timestamp": _now().isoformat(),
        }
        try:
            text = (",\n" if self._errors else self._begin()) + json.dumps(entry)
            self._append(text.encode(), body.records)
        except OSError as error:
            self._lost = error
            error.filename = error.filename or self.path
            self._restore()
            raise

    def _records_of(self, body: Body) -> Sequence[object]:
        """Return records in the loader's form or, with several fields, in that of a request."""
        if self._is_table:
            return body.items()
        return [{"Value": value, "Token": token} for value, token in body.pairs()]

    def close(self) -> None:
        """Close the file, if there is one. Raises OSError if what was written has been lost."""
        if self._file >= 0:
            file, self._file = self._file, -1
            try:
                os.close(file)
            except OSError as error:
                error.filename = self.path
                raise

    def _begin(self) -> str:
        """Create the file under the first free name, and return its beginning."""
        when = _now()
        while self._file < 0:
            name = f"error_log_{self._target.name}_{when:%Y%m%d_%H%M%S}.json"
            path = os.path.normpath(os.path.join(self._folder, name))
            with suppress(FileExistsError):
                self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
                self.path = path
            when += timedelta(seconds=1)
        head = {
            "vault_name": self._target.name,
            "vault_id": self._target.id,
            "column": self._target.column,
            "timestamp": _now().isoformat(),
        }
        return json.dumps(head)[:-1] + ',"errors":[\n'

    def _append(self, entry: bytes, records: int) -> None:
        ending = _ending(self._errors + 1, self._records + records)
        _write(self._file, entry + ending, self._end)
        self._end += len(entry)
        self._errors += 1
        self._records += records

    def _restore(self) -> None:
        """Restore the ending after the last whole entry, or remove the file if there is none."""
        if self.path is None:
            return
        with suppress(OSError):
            if self._errors:
                ending = _ending(self._errors, self._records)
                _write(self._file, ending, self._end)
                os.ftruncate(self._file, self._end + len(ending))
            else:
                os.unlink(self.path)
                self.path = None


def _ending(errors: int, records: int) -> bytes:
    return f'],\n"total_errors":{errors},"failed_records":{records}}}\n'.encode()


def _write(file: int, content: bytes, offset: int) -> None:
    """Write all of it: on a full disk, a part is written before there is an error."""
    while content:
        written = os.pwrite(file, content, offset)
        content, offset = content[written:], offset + written


def _now() -> datetime:
    return datetime.now().astimezone()
