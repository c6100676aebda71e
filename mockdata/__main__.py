"""``python -m mockdata``."""

from __future__ import annotations

import sys

from mockdata.cli import main

if __name__ == "__main__":
    sys.exit(main())
