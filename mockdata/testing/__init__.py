"""For tests: sinks that keep, stall and fail, and the checks that your own sink must pass.

mockdata's own tests use them, and yours can too.
"""

from __future__ import annotations

from mockdata.testing.conformance import check_sink
from mockdata.testing.doubles import FailingSink, ListSink, StallingSink

__all__ = ["FailingSink", "ListSink", "StallingSink", "check_sink"]
