"""Results that never change, kept on disk: what an aligner or a baseline made of some audio.

One small JSON file per result, named by a hash of everything that it depends on. Only this process
writes; a file that cannot be read is made anew.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any


class Cache:
    """A folder of results, made when the first is kept."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def find(self, *parts: str | bytes) -> Any | None:
        """The result kept for these parts, None if there is none."""
        try:
            return json.loads(self._file(parts).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None

    def keep(self, result: object, *parts: str | bytes) -> None:
        """Keeps a result that JSON can hold."""
        file = self._file(parts)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(result), encoding="utf-8")

    def _file(self, parts: tuple[str | bytes, ...]) -> Path:
        digest = hashlib.sha256()
        for part in parts:
            data = part.encode() if isinstance(part, str) else part
            digest.update(len(data).to_bytes(8, "little") + data)
        return self._folder / f"{digest.hexdigest()[:40]}.json"
