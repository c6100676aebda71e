"""``AAA-GG-SSSS-TS_R``: social security numbers that the rules allow.

Area 001-899 without 666, group 01-99, serial 0001-9999.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mockdata.vaults._ascii import text_table
from mockdata.vaults._kernel import FixedKernel

__all__ = ["SsnKernel"]


class SsnKernel(FixedKernel):
    """Draws area, group and serial."""

    prefix = b"AAA-GG-SSSS-"
    places = (0, 4, 7)

    def _tables(self) -> tuple[NDArray[np.void], ...]:
        areas = text_table((f"{area:03}-" for area in range(1, 900) if area != 666), 4)
        groups = text_table((f"{group:02}-S" for group in range(1, 100)), 4)
        return areas, groups, text_table((f"{serial:04}" for serial in range(1, 10_000)), 4)
