"""Prints the dependencies of a ``pyproject.toml``, one a line, as pip's ``-r`` takes them.

So that the image can install them in a layer that stays when only the code changes.
"""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path


def requirements(pyproject: str) -> list[str]:
    """The project's own dependencies, without those of its extras."""
    dependencies: list[str] = tomllib.loads(pyproject)["project"]["dependencies"]
    return dependencies


if __name__ == "__main__":
    print("\n".join(requirements(Path(sys.argv[1]).read_text(encoding="utf-8"))))
