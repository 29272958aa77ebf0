"""The client can be copied into any project: the standard library, websockets, and itself."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import realtime_client

FOLDER = Path(realtime_client.__file__).parent
ONLY_FOR_TYPE_CHECKERS = "_typeshed"


def test_nothing_of_the_engine_is_imported() -> None:
    imported: set[str] = set()
    for path in FOLDER.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                imported |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0
                assert node.module is not None
                imported.add(node.module)
    packages = {name.split(".")[0] for name in imported} - set(sys.stdlib_module_names)
    assert packages == {"websockets", "realtime_client", ONLY_FOR_TYPE_CHECKERS}


def test_every_public_name_is_there() -> None:
    assert sorted(realtime_client.__all__) == realtime_client.__all__
    assert all(hasattr(realtime_client, name) for name in realtime_client.__all__)
