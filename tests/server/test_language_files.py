"""Copies of a language model's files, which nothing changes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from server.language_files import LanguageFiles, LanguageFilesError, identity_of
from tests.server.processes import open_descriptors


def content(fd: int | None) -> bytes:
    assert fd is not None
    return Path(f"/proc/self/fd/{fd}").read_bytes()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    found = tmp_path / "lm.bin"
    found.write_bytes(b"model" * 1_000_000)
    (tmp_path / "words.txt").write_text("some\nwords\n")
    return found


def test_a_copy_stays_as_the_files_were(path: Path) -> None:
    before = open_descriptors()
    files = LanguageFiles.copied(path, 1)
    path.write_bytes(b"")
    path.with_name("words.txt").unlink()
    assert content(files.model_fd) == b"model" * 1_000_000
    assert content(files.words_fd) == b"some\nwords\n"
    with pytest.raises(OSError, match="not permitted"):
        os.write(files.model_fd, b"x")
    with pytest.raises(OSError, match="not permitted"):
        os.ftruncate(files.model_fd, 1)
    assert files.fds == (files.model_fd, files.words_fd)
    assert files.settings == {
        "number": 1, "name": str(path), "model_fd": files.model_fd, "words_fd": files.words_fd,
    }  # fmt: skip
    files.close()
    assert open_descriptors() == before


def test_a_model_without_a_list_of_words(path: Path) -> None:
    path.with_name("words.txt").unlink()
    files = LanguageFiles.copied(path, 1)
    assert files.words_fd is None
    assert files.fds == (files.model_fd,)
    files.close()


def test_changes_are_seen_in_either_file(path: Path) -> None:
    seen = {identity_of(path)}
    assert LanguageFiles.copied(path, 1).identity in seen
    path.with_name("words.txt").write_text("others")
    seen.add(identity_of(path))
    path.with_name("new").write_bytes(path.read_bytes())
    path.with_name("new").rename(path)
    seen.add(identity_of(path))
    path.unlink()
    seen.add(identity_of(path))
    assert len(seen) == 4


def test_what_cannot_be_read_is_told(path: Path) -> None:
    before = open_descriptors()
    path.unlink()
    with pytest.raises(LanguageFilesError, match=r"lm\.bin cannot be read \(No such file"):
        LanguageFiles.copied(path, 1)
    path.mkdir()
    with pytest.raises(LanguageFilesError, match=r"lm\.bin cannot be read \(Is a directory"):
        LanguageFiles.copied(path, 1)
    assert open_descriptors() == before
