"""Streams of utterances with pauses."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np

from bench.eval.alignment import Aligner
from bench.eval.audio import Samples
from bench.eval.cache import Cache
from bench.eval.manifest import BUNDLED, Clip, read_manifest
from bench.eval.realtime import PAUSE_S, UTTERANCES, make_stream, of_one_speaker
from bench.eval.word_times import SpokenWord

CLIPS = read_manifest(BUNDLED)


class OddsAlone(Aligner):
    """Aligns the first, third, fifth clip that it is asked for: one word in the whole of each."""

    calls = 0

    def align(self, samples: Samples, text: str) -> list[SpokenWord] | None:
        self.calls += 1
        return [SpokenWord(text, 0, len(samples) / 16)] if self.calls % 2 else None


def test_a_stream_is_what_can_be_aligned_with_pauses_between(tmp_path: Path) -> None:
    stream = make_stream(CLIPS, OddsAlone(Cache(tmp_path)), np.random.default_rng(0))
    said = [utterance[0].text for utterance in stream.utterances]
    assert said == [clip.text for clip in CLIPS[: 2 * UTTERANCES : 2]]
    for before, after in pairwise(stream.utterances):
        pause_s = (after[0].start_ms - before[0].end_ms) / 1000
        assert PAUSE_S[0] - 0.001 <= pause_s <= PAUSE_S[1] + 0.001
        end, start = (round(ms * 16) for ms in (before[0].end_ms, after[0].start_ms))
        assert np.abs(stream.samples[end:start]).max() < 100
    assert len(stream.samples) > stream.utterances[-1][0].end_ms * 16


def test_nothing_to_align(tmp_path: Path) -> None:
    stream = make_stream([], OddsAlone(Cache(tmp_path)), np.random.default_rng(0))
    assert (stream.utterances, len(stream.samples)) == ([], 0)


def test_speakers_take_turns_and_then_go_on_with_other_clips() -> None:
    def own(speaker: str, count: int) -> list[Clip]:
        return [replace(CLIPS[0], speaker=speaker, text=f"{speaker}{n}") for n in range(count)]

    clips = own("ann", 8) + own("bob", 2)
    turns = [of_one_speaker(clips, number) for number in range(4)]
    assert [turn[0].text for turn in turns] == ["ann0", "bob0", "ann6", "bob0"]
    assert [len(turn) for turn in turns] == [8, 2, 8, 2]
