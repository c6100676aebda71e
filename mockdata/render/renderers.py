"""Which renderer runs programs: the compiled one where it is built, else numpy's.

Both make the same bytes. The environment variable ``MOCKDATA_RENDERER`` chooses one by its name,
``native`` or ``numpy``. Only the one in use is imported: importing numpy takes time.
"""

from __future__ import annotations

import os
from functools import lru_cache
from typing import TYPE_CHECKING, Final, Protocol, SupportsInt

from mockdata.errors import PlanError, one_line

if TYPE_CHECKING:
    from mockdata.render.program import Program

__all__ = ["RENDERERS", "VARIABLE", "Renderer", "chosen", "is_built", "renderer"]

VARIABLE: Final = "MOCKDATA_RENDERER"
RENDERERS: Final = "native", "numpy"


class Ends(Protocol):
    """Numbers, by their places."""

    def __getitem__(self, place: int, /) -> SupportsInt: ...


class Renderer(Protocol):
    """Renders ranges of at most ``capacity`` records; one thread at a time may use it."""

    @property
    def capacity(self) -> int:
        """Records of a range, at most."""
        ...

    @property
    def nbytes(self) -> int:
        """How many bytes this renderer's own buffers have."""
        ...

    def render(self, start: int, stop: int, /) -> list[memoryview]:
        """Return the bytes of each output for a range of indices; valid until the next call."""
        ...

    def measure(self, start: int, stop: int, /) -> list[int]:
        """Return how many bytes each output has for a range of indices."""
        ...

    def ends(self, output: int, count: int, /) -> Ends:
        """Return where each of the ``count`` lines that were rendered last ends in an output."""
        ...

    def offsets(self, output: int, count: int, batch: int, /) -> memoryview:
        """Return the bytes of Arrow's offsets of the ``count`` lines that were rendered last.

        They are 32-bit integers of this machine. Every ``batch`` lines, and the lines left over,
        have one more offset than there are lines, beginning with 0.
        """
        ...


def chosen() -> str:
    """Return the name of the renderer in use.

    Raises PlanError if the environment asks for one that is not available.
    """
    name = os.environ.get(VARIABLE, "")
    if name and name not in RENDERERS:
        problem = f"{one_line(repr(name[:40]))} is no renderer: {' or '.join(RENDERERS)}"
        raise PlanError(VARIABLE, problem)
    if name == "native" and not is_built():
        problem = (
            "this installation has no native renderer; install mockdata where there is a C compiler"
        )
        raise PlanError(VARIABLE, problem)
    return name or ("native" if is_built() else "numpy")


@lru_cache(1)
def is_built() -> bool:
    """Return whether the compiled renderer exists and works on this machine."""
    try:
        from mockdata.render import _native  # noqa: F401
    except ImportError:
        return False
    return True


def renderer(program: Program, capacity: int) -> Renderer:
    """Return a renderer of ranges of at most ``capacity`` records. Raises as ``chosen`` does."""
    if chosen() == "native":
        from mockdata.render import native

        return native.renderer(program, capacity)
    from mockdata.render import numpy_renderer

    return numpy_renderer.renderer(program, capacity)
