"""``NNNNN-TS_R``: identifiers from 10000 to 99999."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mockdata.vaults._ascii import number_table
from mockdata.vaults._kernel import FixedKernel

__all__ = ["IdKernel"]


class IdKernel(FixedKernel):
    """Draws the first three digits, then the other two."""

    prefix = b"NNNNN-"
    places = (0, 3)

    def _tables(self) -> tuple[NDArray[np.void], ...]:
        return number_table(np.arange(100, 1000), b"000N"), number_table(np.arange(100), b"00")
