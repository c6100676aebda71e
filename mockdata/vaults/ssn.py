"""``AAA-GG-SSSS-TS_R``: social security numbers that the rules allow.

Area 001-899 without 666, group 01-99, serial 0001-9999.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mockdata.vaults._ascii import number_table
from mockdata.vaults._kernel import FixedKernel

__all__ = ["SsnKernel"]


class SsnKernel(FixedKernel):
    """Draws area, group and serial."""

    prefix = b"AAA-GG-SSSS-"
    places = (0, 4, 7)

    def _tables(self) -> tuple[NDArray[np.void], ...]:
        areas = np.delete(np.arange(900), [0, 666])
        return (
            number_table(areas, b"000-"),
            number_table(np.arange(1, 100), b"00-S"),
            number_table(np.arange(1, 10_000), b"0000"),
        )
