"""The command: arguments in, one call of the library, an exit code out."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from functools import partial
from typing import TYPE_CHECKING, Final, NoReturn

from mockdata.command.arguments import Options, help_text, load_sink, parse
from mockdata.errors import DeliveryError, MockDataError, PlanError, one_line
from mockdata.workers.limits import check_files, naming

if TYPE_CHECKING:
    from traceback import FrameSummary

    from mockdata.pipeline.report import Report
    from mockdata.sinks import AnySink

__all__ = ["main"]

DONE: Final = 0
FAILED: Final = 1
WRONG_USE: Final = 2
BY_SIGNAL: Final = 128
"""A shell adds the signal's number to this for the exit code of a process that a signal ended."""

SIGPIPE: Final = 13
STDOUT: Final = "standard output"
OUR_SINKS: Final = ("csv", "stdout")
PACKAGE: Final = os.path.dirname(os.path.dirname(__file__))
LOOP_FILES: Final = 16
"""Files that an event loop may open; one that finds fewer ends the process without a word."""

STOPPING: Final = (signal.SIGINT, signal.SIGTERM)

GRACE: Final = 0.5
"""Seconds after the first signal from which another one ends a process that has not heard it."""

LAST_GRACE: Final = 10.0
"""Seconds from which it ends one that has, and is still busy with cleaning up."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code; ``arguments`` are the process's own if None."""
    _occupy_standard_files()
    with _listening() as signals:
        if arguments is not None:
            return _main(arguments, signals)
        gc.disable()  # it has nothing to collect while modules are imported
        return _main(sys.argv[1:], signals, leave=True)


def _main(arguments: Sequence[str], signals: _Signals, *, leave: bool = False) -> int:
    sink: AnySink | None = None
    try:
        with naming(STDOUT):
            options = _answered(arguments)
        if options is None:
            return DONE
        sink = load_sink(options)
        code = _run(options, sink, signals)
    except PlanError as error:
        return _say(f"{error} (see --help)", WRONG_USE)
    except (Exception, asyncio.CancelledError) as error:
        return _failed(error, _account(sink), signals)
    if leave and code == DONE and options.sink in OUR_SINKS:
        _leave(DONE)  # all is written, and taking the interpreter down is a tenth of a short run
    return code


def _answered(arguments: Sequence[str]) -> Options | None:
    """Return the options, or None if all that was asked for is a text, which is printed."""
    try:
        if arguments:
            return parse(arguments)
        print(help_text(), end="")
    except SystemExit:  # --help and the like
        pass
    if sys.stdout is not None:
        sys.stdout.flush()
    return None


def _failed(error: BaseException, account: str, signals: _Signals) -> int:
    """Say why a run has failed, if there is a reason to, and return the exit code."""
    if signals.first:
        if account:
            _say(f"stopped: {account}", FAILED)
        _leave(BY_SIGNAL + signals.first)
    nobody_reads = _nobody_reads()
    if isinstance(error, OSError) and error.filename == STDOUT:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # for what Python flushes at its end
    if isinstance(error, BrokenPipeError) and nobody_reads:
        return BY_SIGNAL + SIGPIPE
    return _say("; ".join(filter(None, (_described(error), account))), FAILED)


def _run(options: Options, sink: AnySink, signals: _Signals) -> int:
    """Run the library, tell what has come of it, and return the exit code."""
    report = _generate(options, sink, signals)
    with naming(STDOUT):
        _tell(options, report)
    if report.delivery is not None and report.delivery.failed:
        return _say(_account(sink), FAILED)
    return DONE


class _Signals:
    """What SIGINT and SIGTERM do: end the run that is under way, or else the process, at once.

    One that comes when a run is being ended has no effect, unless the run does not come to an end.
    """

    def __init__(self) -> None:
        self.first = 0
        """The number of the signal that ended the run, once there was one."""
        self._came = 0.0
        self._patience = GRACE
        self._cancel: Callable[[], object] | None = None

    def __call__(self, number: int, _: object) -> None:
        if self._cancel is None:
            _leave(BY_SIGNAL + number)  # there is nothing to undo
        if not self.first:
            self.first, self._came = number, time.monotonic()
            self._cancel()
        elif time.monotonic() - self._came >= self._patience:
            _leave(BY_SIGNAL + self.first)

    @contextmanager
    def cancelling(self, grace: float, *, quiet: bool) -> Iterator[None]:
        """Have a signal cancel this task, which undoes what it has done, until it is complete.

        ``grace`` is the seconds that its sink takes for that, at most; the user is told of them.
        """
        task, loop = asyncio.current_task(), asyncio.get_running_loop()

        def cancel() -> None:
            self._patience = LAST_GRACE + grace
            if grace and not quiet:
                _say(f"stopping: requests in flight have {grace:g} s", FAILED)
            if task is not None:
                task.cancel()

        self._cancel = partial(loop.call_soon_threadsafe, cancel)
        try:
            yield
        except BaseException:
            self._cancel = None
            raise
        self._cancel = lambda: None  # it comes too late
        self._patience = GRACE


@contextmanager
def _listening() -> Iterator[_Signals]:
    """Listen to the signals that stop the command; only a process's main thread can."""
    signals, earlier = _Signals(), {}
    with suppress(ValueError):
        for number in STOPPING:
            earlier[number] = signal.signal(number, signals)
    try:
        yield signals
    finally:
        for number, handler in earlier.items():
            signal.signal(number, handler)


def _occupy_standard_files() -> None:
    """Have a closed standard file's number taken: an event loop's own file must not get it."""
    while (file := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(file)


def _nobody_reads() -> bool:
    """Return whether standard output is a pipe whose other end is closed."""
    import select

    poll = select.poll()
    poll.register(1, 0)
    return any(event & select.POLLERR for _, event in poll.poll(0))


def _generate(options: Options, sink: AnySink, signals: _Signals) -> Report:
    """Run the library on an event loop of the command's own; a signal cancels it."""
    from mockdata.command.display import live_progress, on_terminal
    from mockdata.pipeline.run import generate
    from mockdata.sinks import DeliverySink

    gc.enable()
    rows_on_screen = options.sink == "stdout" and on_terminal(sys.stdout)
    show = options.progress and on_terminal(sys.stderr) and not rows_on_screen

    made: list[Report] = []

    async def run() -> None:
        status = sink.delivery if isinstance(sink, DeliverySink) else None
        progress = live_progress(status) if show else nullcontext()
        grace = float(getattr(sink, "grace", 0.0)) if status else 0.0
        with signals.cancelling(grace, quiet=options.quiet), progress as on_progress:
            report = await generate(
                options.counts,
                sink=sink,
                seed=options.seed,
                timestamp=options.timestamp,
                part=options.part,
                rate=options.rate,
                workers=options.workers,
                on_progress=on_progress,
            )
            made.append(report)

    with naming("event loop"):
        check_files(LOOP_FILES)
    with asyncio.Runner(loop_factory=_loop_factory(options)) as runner:
        try:
            runner.run(run())
        except asyncio.CancelledError:
            if not made:
                raise
    return made[0]


def _loop_factory(options: Options) -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Return uvloop's, where batches pass through the loop: to import it takes time as well."""
    if options.sink == "csv":
        return None
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop


def _leave(code: int) -> NoReturn:
    """Exit without waiting for anything, as for a thread that writes to a pipe nobody reads."""
    with suppress(OSError, AttributeError, RuntimeError):  # a signal may interrupt a flush
        sys.stderr.flush()
    os._exit(code)


def _tell(options: Options, report: Report) -> None:
    if options.json:
        import json

        text = json.dumps(report.to_dict())
        if options.sink == "stdout":
            _say(text, DONE, who="")
        elif sys.stdout is not None:
            print(text, flush=True)
    elif not options.quiet:
        from mockdata.command.display import summary

        folder = options.output if options.sink == "csv" else None
        _say(summary(report, folder), DONE, who="")


def _account(sink: AnySink | None) -> str:
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


def _described(error: BaseException) -> str:
    """Say an error in one line; one out of the user's code with its type and its place."""
    text, notes = one_line(str(error)), getattr(error, "__notes__", ())
    if isinstance(error, DeliveryError):
        return text
    if isinstance(error, OSError) and not notes and error.filename is not None:
        return one_line(f"{error.filename}: {error.strerror}")
    if isinstance(error, MockDataError | OSError) and not notes and text:
        return text
    import traceback

    where = _raised_at(traceback.extract_tb(error.__traceback__))
    return one_line("; ".join([f"{type(error).__name__} in {where}: {text}", *notes]))


def _raised_at(frames: Sequence[FrameSummary]) -> str:
    """Return the place in the user's code: the first one beyond the last one in ours."""
    ours = [k for k, frame in enumerate(frames) if frame.filename.startswith(PACKAGE)]
    frame = frames[min(ours[-1] + 1, len(frames) - 1)]
    return f"{os.path.basename(frame.filename)}, line {frame.lineno}"
