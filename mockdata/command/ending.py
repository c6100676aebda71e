"""How the command ends: its messages, its JSON, and its exit code."""

from __future__ import annotations

import os
import signal
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from mockdata.command.arguments import Options, Said
from mockdata.command.output import say, write_past_buffers
from mockdata.command.signals import BY_SIGNAL
from mockdata.errors import one_line

if TYPE_CHECKING:
    from mockdata.command.watch import Watch
    from mockdata.pipeline.report import Report

__all__ = ["DONE", "FAILED", "STDOUT", "WRONG_USE", "Ending"]

DONE: Final = 0
FAILED: Final = 1
WRONG_USE: Final = 2

SHOW_CURSOR: Final = b"\x1b[?25h\r"
"""Makes a terminal show the cursor, which bars hide, and overwrite what is beside it."""

STDOUT: Final = "standard output"
"""Its name in an error."""


class Ending:
    """Says, once, how the command has ended. Each method returns the exit code."""

    def __init__(self) -> None:
        self.said = Said()
        """The arguments that could be read."""
        self.options: Options | None = None
        """The arguments, once they are checked."""
        self.watch: Watch | None = None
        """The run, once there is one."""
        self.report: Report | None = None
        """The report of a run that is done."""
        self._is_told = False

    def done(self, options: Options, report: Report) -> int:
        """Say what a run made. Raises OSError if the JSON cannot be printed."""
        delivery = report.delivery
        self._is_told = True
        if not (options.json or options.quiet):
            from mockdata.command.repeat import repeating
            from mockdata.command.summary import summary

            say(summary(report, options, repeating(options)), sys.stderr)
        if delivery is not None and delivery.failed:
            from mockdata.command.summary import account

            reason = account(delivery)
            self._tell(reason, "" if not options.quiet else self._next_step())
            self._print_object("failed", reason)
            return FAILED
        self._print_object("done", None, must_arrive=True)
        return DONE

    def failed(self, reason: str) -> int:
        """Say why a run has failed."""
        self._is_told = True
        self._tell(reason, self._account(), self._next_step())
        self._print_object("failed", reason)
        return FAILED

    def wrong_use(self, reason: str) -> int:
        """Say what is wrong with the arguments."""
        self._is_told = True
        say(f"mockdata: {reason} (see --help)", sys.stderr)
        self._print_object("failed", reason)
        return WRONG_USE

    def closed(self) -> int:
        """End quietly, since nobody reads the output any more."""
        self._is_told = True
        self._print_object("stopped", f"{STDOUT} is closed")
        return BY_SIGNAL + signal.SIGPIPE

    def stopped(self, number: int, *troubles: str) -> int:
        """Say that a signal has stopped the run, and what went wrong then."""
        if not self._is_told:
            self._is_told = True
            if line := self._stopped_line(*troubles):
                say(line, sys.stderr)
            self._print_object("stopped", _stopped_by(number))
        return BY_SIGNAL + number

    def last_words(self, number: int) -> None:
        """Say the same from within a signal handler, without touching Python's buffers."""
        if self._is_told:
            return
        self._is_told = True
        with suppress(Exception):
            if "mockdata.screen.bars" in sys.modules:
                os.write(2, SHOW_CURSOR)
            if line := self._stopped_line():
                write_past_buffers(2, line)
            if self.said.json:
                write_past_buffers(
                    self._json_file(), _json(self._object("stopped", _stopped_by(number)))
                )

    def has_begun(self) -> bool:
        """Return whether the sink has taken records."""
        taken = self.watch.taken.values() if self.watch is not None else ()
        return any(progress.records for progress in taken)

    def _stopped_line(self, *troubles: str) -> str:
        """Return the line for a run that was stopped; with --quiet, only if it says more."""
        account = self._account()
        if self.options is None or (self.options.quiet and not (account or troubles)):
            return ""
        what = f"stopped: {account}" if account else "stopped"
        return one_line("; ".join([f"mockdata: {what}", *troubles, self._next_step()]))

    def _tell(self, *parts: str) -> None:
        say(one_line("mockdata: " + "; ".join(filter(None, parts))), sys.stderr)

    def _account(self) -> str:
        """Say what became of the records, if the sink delivers them."""
        from mockdata.command.summary import account

        delivery = self.watch.delivery() if self.watch is not None else None
        return account(delivery) if delivery is not None else ""

    def _next_step(self) -> str:
        """Say how to go on with the run, if some of its records are known to be delivered."""
        if self.options is None:
            return ""
        from mockdata.command.repeat import continuing, repeating

        delivery = self.watch.delivery() if self.watch is not None else None
        if delivery is not None and (command := continuing(self.options, delivery.resume)):
            return f"to go on: {command}"
        return f"to repeat: {repeating(self.options)}"

    def _object(self, outcome: str, error: str | None) -> dict[str, Any]:
        """Return what ``--json`` prints: the report, or what is known without one."""
        made: dict[str, Any] = {"outcome": outcome, "error": error}
        if self.report is not None and self.options is not None:
            from mockdata.command.summary import objects

            stored = objects(self.report, self.options)
            return made | self.report.to_dict() | ({"objects": stored} if stored else {})
        if self.options is None or self.watch is None:
            return made
        run, taken = self.options.run, self.watch.taken
        records = {v.name: taken[v.name].records if v.name in taken else 0 for v in run.vaults}
        made |= {"seed": run.seed, "timestamp": run.timestamp, "records": sum(records.values())}
        made["vaults"] = {name: {"records": count} for name, count in records.items()}
        if (delivery := self.watch.delivery()) is not None:
            from dataclasses import asdict

            made["delivery"] = asdict(delivery)
        return made

    def _print_object(self, outcome: str, error: str | None, *, must_arrive: bool = False) -> None:
        if self.said.json:
            stream = sys.stderr if self._json_file() == 2 else sys.stdout
            text = _json(self._object(outcome, error))
            say(text, stream, must_arrive=must_arrive and stream is sys.stdout)

    def _json_file(self) -> int:
        return 2 if self.said.sink.partition(":")[0] == "stdout" else 1


def _stopped_by(number: int) -> str:
    return f"stopped by {signal.Signals(number).name}"


def _json(content: dict[str, Any]) -> str:
    import json

    return json.dumps(content)
