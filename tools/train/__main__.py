"""`python -m tools.train`: the recipe's stages."""

import sys

from tools.train.cli import main

if __name__ == "__main__":
    sys.exit(main())
