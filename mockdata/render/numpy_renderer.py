"""Runs programs in numpy: a block of records at a time, in buffers that are made once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mockdata.render.arithmetic import Arithmetic, Run, U, Words
from mockdata.render.program import (
    INDEX,
    CheckDigit,
    Digit,
    Fraction,
    Line,
    Program,
    PutLength,
    PutSuffix,
    PutText,
    PutUuid,
    Step,
)
from mockdata.render.puts import Puts
from mockdata.render.schedule import reads, writes

__all__ = ["Renderer", "Workspace"]

PUTS: Final = CheckDigit | PutText | PutSuffix | PutUuid | PutLength

Offsets = NDArray[np.intp]


class Workspace:
    """Buffers of words that all renderers of one thread share: no render needs them afterwards.

    They are shared because a block's buffers have to fit into a core's cache.
    """

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self._registers: list[Words] = []
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

    def __init__(
        self, program: Program, capacity: int, workspace: Workspace | None = None
    ) -> None:
        room = workspace or Workspace(capacity)
        self._outputs = [_output(line, capacity) for line in program.lines]
        registers = {
            register: room.register(number)
            for register, number in _allocated(program.steps).items()
        }
        arithmetic = Arithmetic(registers, room.scratch)
        advances = [output.advances for output in self._outputs]
        puts = Puts(registers, room.work, room.places, self._field, advances)
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
        """Bytes of the buffers that are this renderer's own."""
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

    def _field(self, output: int, offset: int, dtype: Any) -> NDArray[Any]:
        return self._outputs[output].field(offset, dtype)


class FixedOutput:
    """Lines of one width, side by side."""

    def __init__(self, line: Line, capacity: int) -> None:
        self._width = len(line.template)
        self._capacity = capacity
        self._rows = np.tile(np.frombuffer(line.template, np.uint8), capacity)
        self.advances: Offsets = np.zeros((0, 0), np.intp)

    @property
    def nbytes(self) -> int:
        """Bytes of the buffers."""
        return self._rows.nbytes

    def field(self, offset: int, dtype: Any) -> NDArray[Any]:
        """Return the view of a place in every row."""
        return np.ndarray((self._capacity,), dtype, self._rows, offset, (self._width,))

    def lines(self, count: int) -> memoryview:
        """Return the first lines."""
        return self._rows[: count * self._width].data

    def measure(self, count: int) -> int:
        """Return the bytes of so many lines."""
        return count * self._width

    def ends(self, count: int) -> Offsets:
        """Return where the first lines end."""
        return np.arange(1, count + 1) * self._width


class VaryingOutput(FixedOutput):
    """Lines of varying width: the units of the rows, moved to where they belong.

    Units are moved in full, in order, each over what the one before has too much. The last ones go
    beyond the last line, where the buffer has room for them.
    """

    def __init__(self, line: Line, capacity: int) -> None:
        super().__init__(line, capacity)
        units = len(line.advances)
        self.advances = np.tile(np.array(line.advances, np.intp), (capacity, 1))
        self._moved = self._rows.view(f"V{line.unit}")
        self._offsets = np.zeros(capacity * units + 1, np.intp)
        self._units = units
        size = len(line.head) + capacity * line.longest + 2 * line.unit
        self._text = np.zeros(size, np.uint8)
        self._text[: len(line.head)] = np.frombuffer(line.head, np.uint8)
        anywhere = size - len(line.head) - line.unit + 1
        self._at = np.ndarray((anywhere,), self._moved.dtype, self._text, len(line.head), (1,))

    @property
    def nbytes(self) -> int:
        """Bytes of the buffers."""
        buffers = (self._rows, self.advances, self._offsets, self._text)
        return sum(buffer.nbytes for buffer in buffers)

    def lines(self, count: int) -> memoryview:
        """Return the first lines."""
        units = count * self._units
        offsets = self._offsets
        np.cumsum(self.advances[:count].reshape(-1), out=offsets[1 : units + 1])
        self._at[offsets[:units]] = self._moved[:units]
        return self._text[: offsets[units]].data

    def measure(self, count: int) -> int:
        """Return the bytes of so many lines."""
        return int(self.advances[:count].sum())

    def ends(self, count: int) -> Offsets:
        """Return where the first lines end."""
        return self._offsets[self._units : count * self._units + 1 : self._units]


def _output(line: Line, capacity: int) -> FixedOutput:
    return VaryingOutput(line, capacity) if line.unit else FixedOutput(line, capacity)


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
    needed: set[int] = set()
    chosen: set[int] = set()
    for turn in reversed(range(len(steps))):
        step = steps[turn]
        draws = isinstance(step, Digit) and step.fraction in needed
        if isinstance(step, PutLength) or draws or needed & {*writes(step)}:
            chosen.add(turn)
            needed |= {*reads(step)}
    return chosen
