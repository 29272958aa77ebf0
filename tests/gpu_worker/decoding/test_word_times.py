from __future__ import annotations

import math

import pytest

from gpu_worker.decoding.token_paths import Timing
from gpu_worker.decoding.word_times import hypothesis


def test_confidences_are_geometric_means() -> None:
    shown = hypothesis(
        [
            ("ab", Timing(1, 4, math.log(0.9) + math.log(0.4), 2)),
            ("c", Timing(6, 7, math.log(0.5), 1)),
        ],
        stable_words=1,
    )
    first, second = shown.words
    assert (first.text, first.start_frame, first.end_frame, first.stable) == ("ab", 1, 4, True)
    assert (second.text, second.start_frame, second.end_frame, second.stable) == ("c", 6, 7, False)
    assert first.confidence == pytest.approx(0.6)
    assert second.confidence == pytest.approx(0.5)
    assert shown.confidence == pytest.approx((0.9 * 0.4 * 0.5) ** (1 / 3))


def test_times_never_run_backwards() -> None:
    shown = hypothesis([("a", Timing(3, 8, 0.0, 1)), ("b", Timing(5, 7, 0.0, 1))], 0)
    times = [(word.start_frame, word.end_frame) for word in shown.words]
    assert times == [(3, 8), (8, 8)]


def test_no_words() -> None:
    assert hypothesis([], 0).confidence == 0.0
