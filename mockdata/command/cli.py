"""The command: arguments in, one call of the library, an exit code out."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from typing import TYPE_CHECKING, Final

from mockdata.command.arguments import FILE_SINKS, Options, Said, load_sink, parse
from mockdata.command.early import last_words
from mockdata.command.ending import DONE, FAILED, STDOUT, WRONG_USE, Ending
from mockdata.command.options import help_text
from mockdata.command.output import say, silence
from mockdata.command.signals import Signals, leave, listening
from mockdata.command.watch import Watch
from mockdata.command.words import read_rate
from mockdata.errors import DeliveryError, MockDataError, PlanError, one_line
from mockdata.workers.limits import check_files, naming

if TYPE_CHECKING:
    from mockdata.pipeline.report import Progress, Report
    from mockdata.screen import LiveProgress

__all__ = ["DONE", "FAILED", "WRONG_USE", "main"]

OUR_SINKS: Final = (*FILE_SINKS, "stdout")
PACKAGE: Final = os.path.dirname(os.path.dirname(__file__))
CONTEXTS: Final = contextlib.__file__  # between us and a sink that is a generator
LOOP_FILES: Final = 16
"""Files that an event loop may open; one that finds fewer ends the process without a word."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code; ``arguments`` are the process's own if None."""
    _occupy_standard_files()
    with listening() as signals:
        if arguments is not None:
            return _main(arguments, signals)[0]
        code, sink = _main(sys.argv[1:], signals)
        signals.end(code)
        if code == DONE and sink in OUR_SINKS and _is_plain():
            _leave_early()
        return code


def _main(arguments: Sequence[str], signals: Signals) -> tuple[int, str]:
    """Run the command; return its exit code and the sink that it wrote to."""
    ending = Ending()
    signals.last_words = partial(last_words, arguments)
    try:
        with naming(STDOUT):
            options = _answered(arguments, ending.said)
        signals.last_words = ending.last_words
        if options is None:
            return DONE, ""
        ending.options = options
        ending.watch = Watch(load_sink(options))
        ending.report = _generate(options, ending.watch, signals)
        with naming(STDOUT):
            return ending.done(options, ending.report), options.sink
    except BaseException as error:
        return _ended_by(error, ending, signals), ""


def _answered(arguments: Sequence[str], said: Said) -> Options | None:
    """Return the options, or None if only a text was asked for, which is printed."""
    try:
        if arguments:
            return parse(arguments, said)
        print(help_text(), end="")
    except SystemExit:  # --help and the like
        pass
    if sys.stdout is not None:
        sys.stdout.flush()
    return None


def _ended_by(error: BaseException, ending: Ending, signals: Signals) -> int:
    """Say why there is no report, or that it could not be printed; return the exit code."""
    signals.come_too_late()
    if signals.first and ending.report is None:
        leave(ending.stopped(signals.first, *_notes(error)))
    if isinstance(error, PlanError) and not (_is_users(error) or ending.has_begun()):
        return ending.wrong_use("; ".join([str(error), *_notes(error)]))
    nobody_reads = _nobody_reads()
    if isinstance(error, OSError) and error.filename == STDOUT:
        silence(sys.stdout)
    if isinstance(error, BrokenPipeError) and nobody_reads:
        return ending.closed()
    return ending.failed(_described(error))


def _occupy_standard_files() -> None:
    """Occupy the numbers of closed standard files: the event loop's files must not get them."""
    while (file := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(file)


def _nobody_reads() -> bool:
    """Return whether standard output is a pipe whose other end is closed."""
    import select

    poll = select.poll()
    poll.register(1, 0)
    return any(event & select.POLLERR for _, event in poll.poll(0))


def _generate(options: Options, watch: Watch, signals: Signals) -> Report:
    """Run the library on an event loop of the command's own; a signal cancels it."""
    made: list[Report] = []

    def on_stop() -> float:
        if watch.grace and not options.quiet:
            say(f"mockdata: stopping: requests in flight have {watch.grace:g} s", sys.stderr)
        return watch.grace

    async def run() -> None:
        with signals.cancelling(on_stop), _progress(options, watch) as show:

            def on_progress(progress: Progress) -> None:
                watch.taken[progress.vault] = progress
                if show is not None:
                    show(progress)

            made.append(await _made(options, watch, on_progress))

    with naming("event loop"):
        check_files(LOOP_FILES)
    with asyncio.Runner(loop_factory=_loop_factory(options)) as runner:
        try:
            runner.run(run())
        except asyncio.CancelledError:
            if not made:
                raise
    return made[0]


async def _made(
    options: Options, watch: Watch, on_progress: Callable[[Progress], object]
) -> Report:
    """Make the run, here or on a cluster."""
    if options.dask is not None:
        from mockdata.command.cluster import generate_on_cluster

        return await generate_on_cluster(options, on_progress)
    from mockdata.pipeline.run import Means, run_pipeline
    from mockdata.workers.tasks import in_task

    rate = read_rate(options.rate)
    means = Means.checked(rate, options.workers, None, on_progress)  # type: ignore[arg-type]
    return await in_task(run_pipeline, options.run, watch, means)


def _progress(
    options: Options, watch: Watch
) -> AbstractContextManager[Callable[[Progress], None] | None]:
    """Return the progress display, if it is wanted and does not mix with rows."""
    if not options.progress or sys.stderr is None:
        return nullcontext()
    from mockdata.screen import on_terminal, progress

    if options.sink == "stdout" and on_terminal(sys.stdout) and on_terminal(sys.stderr):
        return nullcontext()
    return _followed(progress(), options, watch)


@contextmanager
def _followed(
    show: LiveProgress, options: Options, watch: Watch
) -> Iterator[Callable[[Progress], None]]:
    """Show all vaults from the beginning, before the sink has opened."""
    from mockdata.pipeline.report import Progress

    with show:
        show.delivering(watch.delivery)
        for vault in options.run.vaults:
            show(Progress(vault.name, 0, vault.records, 0, 0.0))
        yield show


def _loop_factory(options: Options) -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Return uvloop's, where batches pass through the loop: to import it takes time as well."""
    if options.sink in FILE_SINKS and not options.store:
        return None
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop


def _is_plain() -> bool:
    """Return whether Python was started for this command alone, and nothing watches it.

    Profilers, debuggers and tracers come before the command in the words that Python was started
    with, or by way of the environment.
    """
    before = sys.orig_argv[1 : len(sys.orig_argv) - len(sys.argv) + 1]
    if before not in (["-m", "mockdata"], sys.argv[:1]):
        return False
    watchers: list[object] = [sys.gettrace(), sys.getprofile(), sys.flags.inspect]
    if sys.version_info >= (3, 12):
        watchers += map(sys.monitoring.get_tool, range(6))
    return not any(watchers)


def _leave_early() -> None:
    """Exit: all is written, and taking the interpreter down is a tenth of a short run."""
    import atexit

    atexit._run_exitfuncs()  # noqa: SLF001  # those of others; os._exit does not call them
    if sys.stdout is not None:
        sys.stdout.flush()
    leave(DONE)


def _described(error: BaseException) -> str:
    """Say an error and its notes: trouble with a file by its name, the user's by type and place."""
    text = str(error)
    if isinstance(error, OSError) and error.filename is not None and error.strerror:
        text = f"{error.filename}: {error.strerror}"
    elif _is_users(error) or not text or not isinstance(error, MockDataError | OSError):
        where = _raised_at(_files_and_lines(error))
        text = f"{type(error).__name__} in {where}" + (f": {text}" if text else "")
    return one_line("; ".join([text, *_notes(error)]))


def _notes(error: BaseException) -> list[str]:
    return [note.removeprefix("mockdata: ") for note in getattr(error, "__notes__", ())]


def _is_users(error: BaseException) -> bool:
    """Return whether an error came from the code that took the records."""
    return not isinstance(error, DeliveryError) and any(
        note.startswith("at ") for note in _notes(error)
    )


def _files_and_lines(error: BaseException) -> list[tuple[str, object]]:
    """Return the places that an error has come through; of one out of a worker, those there."""
    if type(error.__cause__).__name__ == "_RemoteTraceback":
        import re

        return re.findall(r'^  File "(.+)", line (\d+)', str(error.__cause__), re.MULTILINE)
    import traceback

    frames = traceback.extract_tb(error.__traceback__)
    return [(frame.filename, frame.lineno) for frame in frames]


def _raised_at(places: Sequence[tuple[str, object]]) -> str:
    """Return the place in the user's code: the first one beyond the last one in ours."""
    ours = [k for k, (file, _) in enumerate(places) if file.startswith(PACKAGE)]
    beyond = [place for place in places[ours[-1] + 1 :] if place[0] != CONTEXTS]
    file, line = (beyond or places[-1:])[0]
    return f"{os.path.basename(file)}, line {line}"
