"""``YYYY-MM-DD-TS_R``: every day from 1940-01-01 to 2010-12-31."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mockdata.vaults._kernel import FixedKernel

__all__ = ["DobKernel"]


class DobKernel(FixedKernel):
    """Draws the day."""

    prefix = b"YYYY-MM-DD-"
    places = (0,)

    def _tables(self) -> tuple[NDArray[np.void], ...]:
        days = np.arange("1940-01-01", "2011-01-01", dtype="datetime64[D]")
        return (days.astype("S10").view("V10"),)
