"""The load tester is a client like any other: it shares no code with the server."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import tools.loadtest

ALLOWED = {"matplotlib", "numpy", "soundfile", "soxr", "tools", "websockets"}
SHELLS = {"__main__", "cli", "clips", "options", "plot", "runner", "stream"}
"""The others are pure: they take time as an argument and do no I/O."""


def imports(file: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
    return found


def test_only_the_client_side_is_imported() -> None:
    assert tools.loadtest.__file__ is not None
    files = list(Path(tools.loadtest.__file__).parent.glob("*.py"))
    assert len(files) > 10
    for file in files:
        names = imports(file)
        tops = {name.partition(".")[0] for name in names}
        assert tops <= ALLOWED | sys.stdlib_module_names, file
        assert all(n.startswith("tools.loadtest") for n in names if n.startswith("tools")), file
        assert "matplotlib" not in tops or file.stem == "plot"
        if file.stem not in SHELLS:
            assert not tops & {"asyncio", "websockets", "time", "socket", "soundfile"}, file
