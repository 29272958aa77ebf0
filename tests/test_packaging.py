"""What is installed: every package of the product is in the list that setuptools installs."""

from __future__ import annotations

import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
NOT_INSTALLED = {"bench", "deploy", "tests"}
"""Packages of the repository alone."""


def test_every_package_is_installed() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    listed = settings["tool"]["setuptools"]["packages"]
    folders = (path.parent.relative_to(ROOT) for path in ROOT.glob("[!.]*/**/__init__.py"))
    found = {".".join(folder.parts) for folder in folders if folder.parts[0] not in NOT_INSTALLED}
    assert found == set(listed)
