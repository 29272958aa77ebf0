from __future__ import annotations

import pytest

from gpu_worker.partials import INTERMED_PARTIAL_MS, PARTIAL_MS, PartialSchedule
from models import ECHO_MODEL
from models.spec import ModelSpec

SPEC = ModelSpec.load(ECHO_MODEL)
CHUNK = SPEC.chunk_frames
CHUNK_MS = CHUNK * 40


def due_after(interval_ms: int, chunks: int, first_word_in: int = 0) -> list[int]:
    """Which chunks, from 0, bring a partial when words begin in one of them."""
    schedule = PartialSchedule(SPEC, interval_ms)
    return [
        chunk
        for chunk in range(chunks)
        if schedule.due(CHUNK * chunk, CHUNK * (chunk + 1), has_words=chunk >= first_word_in)
    ]


def test_by_default_a_partial_comes_every_four_to_five_seconds() -> None:
    assert due_after(PARTIAL_MS, 22) == [6, 13, 20]
    assert 4_000 <= 7 * CHUNK_MS <= 5_000


def test_intermediate_partials_come_with_every_chunk() -> None:
    assert due_after(INTERMED_PARTIAL_MS, 4) == [0, 1, 2, 3]


@pytest.mark.parametrize("first_word_in", [1, 5, 10])
def test_the_interval_begins_with_the_first_word(first_word_in: int) -> None:
    assert due_after(PARTIAL_MS, 22, first_word_in)[0] == first_word_in + 6


def test_without_words_nothing_is_due() -> None:
    assert due_after(INTERMED_PARTIAL_MS, 9, first_word_in=9) == []


def test_a_new_utterance_begins_a_new_interval() -> None:
    schedule = PartialSchedule(SPEC, PARTIAL_MS)
    for chunk in range(6):
        assert not schedule.due(CHUNK * chunk, CHUNK * (chunk + 1), has_words=True)
    schedule.reset()
    assert not schedule.due(0, CHUNK, has_words=True)
