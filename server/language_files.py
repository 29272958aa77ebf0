"""A language model's files as they were when they were read: copies that nobody can change.

Every decoder of an engine, and every successor of one that dies, must search with the same model,
whatever happens to the files meanwhile: so the supervisor copies them into memory (sealed memfds),
and children load those. They are mapped, not read: all processes share the one copy.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

WORDS_FILE: Final = "words.txt"
"""Beside a model, the list of its words; see `gpu_worker.decoding.unigrams`."""
_SEALS: Final = fcntl.F_SEAL_WRITE | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_SEAL
_PIECE_BYTES: Final = 1 << 22


class LanguageFilesError(Exception):
    """A file cannot be read; the message is one line."""


@dataclass(frozen=True, slots=True)
class LanguageFiles:
    """The copies of one model. ``number`` tells it from the engine's others, see `shm.language`."""

    number: int
    path: Path
    identity: tuple[Any, ...]
    """What the files were, to see later whether they still are; see `identity_of`."""
    model_fd: int
    words_fd: int | None

    @staticmethod
    def copied(path: Path, number: int) -> LanguageFiles:
        """The files at ``path`` and beside it, as they are now.

        Raises:
            LanguageFilesError: they cannot be read, or there is no memory for them.
        """
        identity = identity_of(path)
        words = path.with_name(WORDS_FILE)
        model_fd = _copy(path)
        try:
            words_fd = _copy(words) if words.is_file() else None
        except LanguageFilesError:
            os.close(model_fd)
            raise
        return LanguageFiles(number, path, identity, model_fd, words_fd)

    @property
    def fds(self) -> tuple[int, ...]:
        """What a decoder inherits."""
        return tuple(fd for fd in (self.model_fd, self.words_fd) if fd is not None)

    @property
    def settings(self) -> dict[str, Any]:
        """What a decoder is told: see `gpu_worker.languages.LanguageSettings`."""
        return {
            "number": self.number,
            "name": str(self.path),
            "model_fd": self.model_fd,
            "words_fd": self.words_fd,
        }

    def close(self) -> None:
        """The copies go with the last process that has mapped them."""
        for fd in self.fds:
            os.close(fd)


def identity_of(path: Path) -> tuple[Any, ...]:
    """What changes when one of the files does; nothing is read of them."""
    return tuple(_identity(file) for file in (path, path.with_name(WORDS_FILE)))


def _identity(file: Path) -> tuple[int, ...] | None:
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def _copy(file: Path) -> int:
    """A sealed memfd with what the file holds."""
    fd = os.memfd_create("realtime-engine-language", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        with file.open("rb", buffering=0) as source:
            _pour(source.read, fd)
        fcntl.fcntl(fd, fcntl.F_ADD_SEALS, _SEALS)
    except OSError as error:
        os.close(fd)
        raise LanguageFilesError(f"{file} cannot be read ({error.strerror})") from error
    return fd


def _pour(read: Callable[[int], bytes], fd: int) -> None:
    while piece := read(_PIECE_BYTES):
        rest = memoryview(piece)
        while rest:
            rest = rest[os.write(fd, rest) :]
