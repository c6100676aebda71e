"""The command: arguments in, one call of the library, an exit code out."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import signal
import sys
import traceback
from collections.abc import Callable, Sequence
from contextlib import nullcontext, suppress
from typing import TYPE_CHECKING, Final, NoReturn

from mockdata.arguments import Options, help_text, load_sink, parse
from mockdata.errors import MockDataError, PlanError

if TYPE_CHECKING:
    from mockdata.report import Progress, Report
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
    for number in STOPPING:
        signal.signal(number, lambda number, _: sys.exit(BY_SIGNAL + number))
    is_process = arguments is None
    if is_process:
        arguments = sys.argv[1:]
        gc.disable()  # it has nothing to collect while modules are imported
    if not arguments:
        print(help_text(), end="")
        return DONE
    try:
        options = parse(arguments)
        sink = load_sink(options)
    except PlanError as error:
        return _say(f"{error} (see --help)", WRONG_USE)
    try:
        _tell(options, _generate(options, sink))
    except BrokenPipeError:
        if options.sink != "stdout":
            return _say("nobody reads standard output any more", FAILED)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # for what Python flushes at its end
        return BY_SIGNAL + SIGPIPE
    except Exception as error:
        return _say(_described(error), FAILED)
    if is_process and options.sink in OUR_SINKS:
        _leave(DONE)  # all is written, and taking the interpreter down is a tenth of a short run
    return DONE


def _generate(options: Options, sink: AnySink) -> Report:
    from mockdata.display import live_progress, on_terminal

    rows_on_screen = options.sink == "stdout" and on_terminal(sys.stdout)
    show = options.progress and on_terminal(sys.stderr) and not rows_on_screen
    with live_progress() if show else nullcontext() as on_progress:
        return _run(options, sink, on_progress)


def _run(
    options: Options, sink: AnySink, on_progress: Callable[[Progress], object] | None
) -> Report:
    """Run the library on an event loop of the command's own, and leave it if a signal says so."""
    from mockdata.pipeline import generate

    gc.enable()
    stopped_by: list[int] = []

    async def run() -> Report:
        running = asyncio.ensure_future(
            generate(
                options.counts,
                sink=sink,
                seed=options.seed,
                timestamp=options.timestamp,
                part=options.part,
                workers=options.workers,
                on_progress=on_progress,
            )
        )

        def stop(number: int) -> None:
            if not stopped_by:
                running.cancel()
            stopped_by.append(number)

        for number in STOPPING:
            with suppress(NotImplementedError):
                asyncio.get_running_loop().add_signal_handler(number, stop, number)
        return await running

    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        try:
            return runner.run(run())
        finally:
            if stopped_by:
                _leave(BY_SIGNAL + stopped_by[0])


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
        stream = sys.stderr if options.sink == "stdout" else sys.stdout
        print(json.dumps(report.to_dict()), file=stream, flush=True)
    elif not options.quiet:
        from mockdata.display import summary

        folder = options.output if options.sink == "csv" else None
        print(summary(report, folder), file=sys.stderr)


def _say(message: str, code: int) -> int:
    with suppress(OSError, AttributeError):
        print(f"mockdata: {message}", file=sys.stderr)
    return code


def _described(error: Exception) -> str:
    """Say an error in one line; one that is not ours with its type and where it was raised."""
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {error.strerror}"
    text = " ".join(str(error).split())
    if isinstance(error, MockDataError | OSError):
        return text
    where = _raised_at(traceback.extract_tb(error.__traceback__))
    notes = "".join(f"; {note}" for note in getattr(error, "__notes__", ()))
    return f"{type(error).__name__} in {where}: {text}{notes}"


def _raised_at(frames: Sequence[traceback.FrameSummary]) -> str:
    """Return the place in the user's code: the first one beyond the last one in ours."""
    ours = [k for k, frame in enumerate(frames) if frame.filename.startswith(PACKAGE)]
    frame = frames[min(ours[-1] + 1, len(frames) - 1)]
    return f"{os.path.basename(frame.filename)}, line {frame.lineno}"
