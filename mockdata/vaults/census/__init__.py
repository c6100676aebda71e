"""First names and surnames by their frequency in the 2020 US Census.

``build`` makes the tables and says where the counts come from: for each an array of names, and one
of the buckets of an alias sampler, in the form that ``mockdata.vaults.alias`` describes.
"""

from __future__ import annotations

from typing import Final

__all__ = ["LONGEST", "TABLES"]

TABLES: Final = ("first_names", "surnames")

LONGEST: Final = {"first_names": 12, "surnames": 15}
"""Characters of the longest name of each, which ``build`` checks."""
