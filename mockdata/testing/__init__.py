"""To test with: sinks that keep, stall and fail, and the checks that one's own sink has to pass.

Ours are tested with these, and whatever is built on us can be too.
"""

from __future__ import annotations

from mockdata.testing.conformance import check_sink
from mockdata.testing.doubles import FailingSink, ListSink, StallingSink

__all__ = ["FailingSink", "ListSink", "StallingSink", "check_sink"]
