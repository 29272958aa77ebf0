"""``python -m tools.lm``; the same as ``realtime-engine lm``."""

from __future__ import annotations

import sys

from tools.lm.cli import main

if __name__ == "__main__":
    sys.exit(main())
