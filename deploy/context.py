"""The build context: what `.dockerignore` lets into an image, and how COPY lays it down."""

from __future__ import annotations

import fnmatch
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Final

_ANYWHERE: Final = "**/"


def patterns(dockerignore: str) -> list[str]:
    """Its lines without comments."""
    lines = (line.strip() for line in dockerignore.splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def is_sent(path: str, rules: Sequence[str]) -> bool:
    """Whether the file at ``path``, relative to the context, goes to the builder.

    The last rule that fits the path or a folder above it decides; ``!`` lets in.
    """
    sent = True
    for rule in rules:
        if _fits(path, rule.removeprefix("!")):
            sent = rule.startswith("!")
    return sent


def files(context: Path, source: str, rules: Sequence[str]) -> Iterator[Path]:
    """The files of one source of a COPY that the builder gets, as absolute paths."""
    start = context / source
    found = sorted(start.rglob("*")) if start.is_dir() else [start]
    for path in found:
        if path.is_file() and is_sent(path.relative_to(context).as_posix(), rules):
            yield path


def copy(context: Path, sources: Sequence[str], target: Path, rules: Sequence[str]) -> int:
    """COPY from the context: a folder's contents, or files into a folder. Returns how many files.

    Raises:
        FileNotFoundError: a source of which the builder gets nothing.
    """
    count = 0
    for source in sources:
        start = context / source
        sent = list(files(context, source, rules))
        if not sent:
            raise FileNotFoundError(f"COPY {source}: the build context has no such file")
        for path in sent:
            inside = path.relative_to(start) if start.is_dir() else PurePosixPath(path.name)
            (target / inside).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, target / inside)
        count += len(sent)
    return count


def _fits(path: str, pattern: str) -> bool:
    """Whether ``pattern`` names ``path`` or a folder above it.

    ``*`` does not cross a slash, so as many parts are compared as the pattern has.
    """
    parts = PurePosixPath(path).parts
    if pattern.startswith(_ANYWHERE):
        return any(_fits("/".join(parts[i:]), pattern[len(_ANYWHERE) :]) for i in range(len(parts)))
    wanted = PurePosixPath(pattern).parts
    return len(parts) >= len(wanted) and all(map(fnmatch.fnmatchcase, parts, wanted))
