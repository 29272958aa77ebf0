"""Forced alignment by PocketSphinx, and its cache."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.eval.alignment import Aligner
from bench.eval.audio import read_samples
from bench.eval.cache import Cache
from bench.eval.manifest import BUNDLED, read_manifest

CLIP = read_manifest(BUNDLED)[0]


def test_words_come_in_order_within_the_clip_and_from_the_cache_alike(tmp_path: Path) -> None:
    pytest.importorskip("pocketsphinx")
    samples = read_samples(CLIP.audio, 16_000)
    words = Aligner(Cache(tmp_path)).align(samples, CLIP.text)
    assert words is not None
    assert [word.text for word in words] == CLIP.text.split()
    times = [time for word in words for time in (word.start_ms, word.end_ms)]
    assert times == sorted(times)
    assert 0 <= times[0] < times[-1] <= len(samples) / 16 + 500
    assert len(list(tmp_path.iterdir())) == 1
    assert Aligner(Cache(tmp_path)).align(samples, CLIP.text) == words


@pytest.mark.parametrize("text", ["", "hello xyzzyqk"])
def test_what_cannot_be_aligned_is_none_now_and_from_the_cache(tmp_path: Path, text: str) -> None:
    pytest.importorskip("pocketsphinx")
    samples = read_samples(CLIP.audio, 16_000)
    assert Aligner(Cache(tmp_path)).align(samples, text) is None
    assert Aligner(Cache(tmp_path)).align(samples, text) is None
