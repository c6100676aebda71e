"""The command: arguments in, one call of the library, an exit code out."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import select
import signal
import sys
import traceback
from collections.abc import Callable, Sequence
from contextlib import nullcontext, suppress
from typing import TYPE_CHECKING, Final, NoReturn

from mockdata.arguments import Options, help_text, load_sink, parse
from mockdata.errors import DeliveryError, MockDataError, PlanError

if TYPE_CHECKING:
    from mockdata.report import Report
    from mockdata.sinks import AnySink

__all__ = ["main"]

DONE: Final = 0
FAILED: Final = 1
WRONG_USE: Final = 2
BY_SIGNAL: Final = 128
"""A shell adds the signal's number to this for the exit code of a process that a signal ended."""

SIGPIPE: Final = 13
OUR_SINKS: Final = ("csv", "stdout")
PACKAGE: Final = os.path.dirname(__file__)
STOPPING: Final = (signal.SIGINT, signal.SIGTERM)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code; ``arguments`` are the process's own if None."""
    _occupy_standard_files()
    for number in STOPPING:  # until the run listens, there is nothing to undo
        signal.signal(number, lambda number, _: _leave(BY_SIGNAL + number))
    if arguments is not None:
        return _main(arguments)
    gc.disable()  # it has nothing to collect while modules are imported
    return _main(sys.argv[1:], leave=True)


def _main(arguments: Sequence[str], *, leave: bool = False) -> int:
    if not arguments:
        print(help_text(), end="")
        return DONE
    try:
        options = parse(arguments)
        sink = load_sink(options)
        code = _run(options, sink)
    except PlanError as error:
        return _say(f"{error} (see --help)", WRONG_USE)
    if leave and code == DONE and options.sink in OUR_SINKS:
        _leave(DONE)  # all is written, and taking the interpreter down is a tenth of a short run
    return code


def _run(options: Options, sink: AnySink) -> int:
    """Run the library, tell what has come of it, and return the exit code."""
    try:
        report = _generate(options, sink)
        _tell(options, report)
    except _Stopped as stopped:
        if account := _account(sink):
            _say(f"stopped: {account}", FAILED)
        _leave(BY_SIGNAL + stopped.number)
    except PlanError:
        raise
    except Exception as error:
        if isinstance(error, BrokenPipeError) and _nobody_reads():
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # for what Python flushes at its end
            return BY_SIGNAL + SIGPIPE
        return _say("; ".join(filter(None, (_described(error), _account(sink)))), FAILED)
    if report.delivery is not None and report.delivery.failed:
        return _say(_account(sink), FAILED)
    return DONE


class _Stopped(BaseException):
    """A signal ended the run, and what the run had made is gone."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def _occupy_standard_files() -> None:
    """Have a closed standard file's number taken: an event loop's own file must not get it."""
    while (file := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(file)


def _nobody_reads() -> bool:
    """Return whether standard output is a pipe whose other end is closed."""
    poll = select.poll()
    poll.register(1, 0)
    return any(event & select.POLLERR for _, event in poll.poll(0))


def _generate(options: Options, sink: AnySink) -> Report:
    """Run the library on an event loop of the command's own, and leave it if a signal says so."""
    from mockdata.display import live_progress, on_terminal
    from mockdata.pipeline import generate
    from mockdata.sinks import DeliverySink

    gc.enable()
    rows_on_screen = options.sink == "stdout" and on_terminal(sys.stdout)
    show = options.progress and on_terminal(sys.stderr) and not rows_on_screen
    stopped_by: list[int] = []

    async def run() -> Report:
        running = asyncio.current_task()

        def stop(number: int) -> None:
            if not stopped_by and running is not None:
                running.cancel()
            stopped_by.append(number)

        for number in STOPPING:
            with suppress(NotImplementedError):
                asyncio.get_running_loop().add_signal_handler(number, stop, number)
        status = sink.delivery if isinstance(sink, DeliverySink) else None
        with live_progress(status) if show else nullcontext() as on_progress:
            return await generate(
                options.counts,
                sink=sink,
                seed=options.seed,
                timestamp=options.timestamp,
                part=options.part,
                workers=options.workers,
                on_progress=on_progress,
            )

    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        try:
            return runner.run(run())
        finally:
            if stopped_by:
                raise _Stopped(stopped_by[0])


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop


def _leave(code: int) -> NoReturn:
    """Exit without waiting for anything, as for a thread that writes to a pipe nobody reads."""
    with suppress(OSError, AttributeError):
        sys.stderr.flush()
    os._exit(code)


def _tell(options: Options, report: Report) -> None:
    if options.json:
        text = json.dumps(report.to_dict())
        if options.sink == "stdout":
            _say(text, DONE, who="")
        elif sys.stdout is not None:
            print(text, flush=True)
    elif not options.quiet:
        from mockdata.display import summary

        folder = options.output if options.sink == "csv" else None
        _say(summary(report, folder), DONE, who="")


def _account(sink: AnySink) -> str:
    """Say what has become of the records of a sink that delivers them; of others, nothing."""
    from mockdata.sinks import DeliverySink

    if not isinstance(sink, DeliverySink):
        return ""
    delivery = sink.delivery()
    counts = {
        "records sent": delivery.sent,
        "failed": delivery.failed,
        "not sent": delivery.not_sent,
    }
    account = ", ".join(f"{count:,} {what}" for what, count in counts.items())
    logs = ", ".join(delivery.error_logs)
    return f"{account}; see {logs}" if logs else account


def _say(message: str, code: int, who: str = "mockdata: ") -> int:
    """Print a message on standard error, if there is one, and return the exit code."""
    if sys.stderr is not None:
        with suppress(OSError):
            print(f"{who}{message}", file=sys.stderr)
    return code


def _described(error: Exception) -> str:
    """Say an error in one line; one out of the user's code with its type and its place."""
    text, notes = " ".join(str(error).split()), getattr(error, "__notes__", ())
    if isinstance(error, DeliveryError):
        return text
    if isinstance(error, OSError) and not notes and error.filename is not None:
        return f"{error.filename}: {error.strerror}"
    if isinstance(error, MockDataError | OSError) and not notes and text:
        return text
    where = _raised_at(traceback.extract_tb(error.__traceback__))
    return "; ".join([f"{type(error).__name__} in {where}: {text}", *notes])


def _raised_at(frames: Sequence[traceback.FrameSummary]) -> str:
    """Return the place in the user's code: the first one beyond the last one in ours."""
    ours = [k for k, frame in enumerate(frames) if frame.filename.startswith(PACKAGE)]
    frame = frames[min(ours[-1] + 1, len(frames) - 1)]
    return f"{os.path.basename(frame.filename)}, line {frame.lineno}"
