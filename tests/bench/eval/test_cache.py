"""The cache of results."""

from __future__ import annotations

from pathlib import Path

from bench.eval.cache import Cache


def test_a_result_is_found_by_all_of_its_parts(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "new")
    assert cache.find("a", b"b") is None
    cache.keep([[1, 2]], "a", b"b")
    assert Cache(tmp_path / "new").find("a", b"b") == [[1, 2]]
    assert cache.find("ab", b"") is None
    assert cache.find("a") is None


def test_a_broken_file_is_as_good_as_none(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    cache.keep("text", "a")
    next(tmp_path.iterdir()).write_text("{")
    assert cache.find("a") is None
