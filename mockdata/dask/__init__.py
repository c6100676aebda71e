"""Many machines: a run's parts as tasks of Dask's ``distributed``, each a run of its own.

It needs the extra ``mockdata[dask]``, here and on the workers.
"""

from __future__ import annotations

from mockdata.dask.run import generate

__all__ = ["generate"]
