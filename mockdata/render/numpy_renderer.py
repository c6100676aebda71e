"""Runs programs in numpy: a block of records at a time, in buffers that are made once."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Final

import numpy as np

from mockdata.render.arithmetic import Arithmetic, Run
from mockdata.render.outputs import Offsets, made_output
from mockdata.render.program import Program
from mockdata.render.puts import Puts
from mockdata.render.schedule import needed, reads, writes
from mockdata.render.steps import (
    INDEX,
    CheckDigit,
    Fraction,
    PutLength,
    PutSuffix,
    PutText,
    PutUuid,
    Step,
)
from mockdata.render.words import U, Words

__all__ = ["Renderer", "Workspace", "renderer"]

PUTS: Final = CheckDigit | PutText | PutSuffix | PutUuid | PutLength


class Workspace:
    """Buffers of words that all renderers of one thread share: none needs them after a render.

    They are shared because a block's buffers have to fit into a core's cache.
    """

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self._registers: list[Words] = []
        self.counts: Words = np.arange(capacity, dtype=U)
        self.work: Words = np.empty(2 * capacity, U)
        self.places: Words = np.empty(4 * capacity, np.dtype("<u8"))
        self.scratch = self.work[:capacity], self.work[capacity:], self.places[:capacity]

    def register(self, number: int) -> Words:
        """Return a buffer by its number."""
        while len(self._registers) <= number:
            self._registers.append(np.empty(self.capacity, U))
        return self._registers[number]


class Renderer:
    """Renders ranges of at most ``capacity`` records as a program says.

    ``workspace`` may be shared by renderers of the same capacity that are used one at a time.
    """

    def __init__(self, program: Program, capacity: int, workspace: Workspace | None = None) -> None:
        self.capacity = capacity
        room = workspace or Workspace(capacity)
        self._outputs = [
            made_output(line, number, program.steps, capacity)
            for number, line in enumerate(program.lines)
        ]
        registers = {
            register: room.register(number)
            for register, number in _allocated(program.steps).items()
        }
        arithmetic = Arithmetic(registers, room.scratch, room.counts)
        puts = Puts(registers, room.work, room.places, self._outputs)
        self._runs: list[Run] = []
        self._measuring: list[Run] = []
        measuring = _measuring(program.steps)
        for number, step in enumerate(program.steps):
            run = (puts if isinstance(step, PUTS) else arithmetic).bind(step)
            self._runs.append(run)
            if number in measuring:
                self._measuring.append(run)

    @property
    def nbytes(self) -> int:
        """How many bytes this renderer's own buffers have."""
        return sum(output.nbytes for output in self._outputs)

    def render(self, start: int, stop: int) -> list[memoryview]:
        """Return the bytes of each output for a range of indices; valid until the next call."""
        count = stop - start
        for run in self._runs:
            run(start, count)
        return [output.lines(count) for output in self._outputs]

    def measure(self, start: int, stop: int) -> list[int]:
        """Return how many bytes each output has for a range of indices."""
        count = stop - start
        for run in self._measuring:
            run(start, count)
        return [output.measure(count) for output in self._outputs]

    def ends(self, output: int, count: int) -> Offsets:
        """Return where each of the ``count`` lines that were rendered last ends in an output."""
        return self._outputs[output].ends(count)

    def offsets(self, output: int, count: int, batch: int) -> memoryview:
        """Return the bytes of Arrow's offsets of the ``count`` lines that were rendered last.

        Every ``batch`` lines have one more offset than there are lines, beginning with 0.
        """
        ends = self.ends(output, count)
        made = np.zeros(count + -(-count // batch), np.int32)
        base = 0
        for number, first in enumerate(range(0, count, batch)):
            of_batch = ends[first : first + batch]
            at = first + number + 1
            np.subtract(of_batch, base, out=made[at : at + len(of_batch)], casting="unsafe")
            base = int(of_batch[-1])
        return made.view(np.uint8).data


class _Rooms(threading.local):
    """The workspace that renderers of this thread were last made with."""

    workspace: Workspace | None = None


_rooms = _Rooms()


def renderer(program: Program, capacity: int) -> Renderer:
    """Return a renderer that shares its workspace with others of this thread and capacity."""
    if _rooms.workspace is None or _rooms.workspace.capacity != capacity:
        _rooms.workspace = Workspace(capacity)
    return Renderer(program, capacity, _rooms.workspace)


def _allocated(steps: Sequence[Step]) -> dict[int, int]:
    """Return the number of a buffer for each register: as few as there are in use at once."""
    last: dict[int, int] = {}
    for turn, step in enumerate(steps):
        for register in (*reads(step), *writes(step)):
            last[register] = turn
    numbers: dict[int, int] = {}
    free: list[int] = []
    for turn, step in enumerate(steps):
        done = [k for k in {*reads(step)} if last[k] == turn and k != INDEX]
        if isinstance(step, Fraction):  # it is computed in place
            free += [numbers[k] for k in done]
        for register in writes(step):
            numbers[register] = free.pop() if free else len(set(numbers.values()) | set(free))
        if not isinstance(step, Fraction):
            free += [numbers[k] for k in done]
        free += [numbers[k] for k in writes(step) if last[k] == turn]
    return numbers


def _measuring(steps: Sequence[Step]) -> set[int]:
    """Return which steps the lengths depend on."""
    puts = {turn: step.pick for turn, step in enumerate(steps) if isinstance(step, PutLength)}
    return {*puts} | needed(steps, puts.values())
