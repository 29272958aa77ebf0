"""`python -m tools.loadtest`: the same as the command `loadtest`."""

import sys

from tools.loadtest.cli import main

if __name__ == "__main__":
    sys.exit(main())
