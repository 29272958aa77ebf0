from __future__ import annotations

import math

import pytest

from gpu_worker.decoding.confidence import STAGES, UNCALIBRATED, Calibration
from gpu_worker.decoding.word_times import Timing, hypothesis, spoken_frames

WORDS = [
    ("ab", Timing(1, 4, math.log(0.9) + math.log(0.4), math.log(0.4), 2)),
    ("c", Timing(16, 17, math.log(0.5), math.log(0.5), 1)),
]


def test_what_is_shown() -> None:
    shown = hypothesis(WORDS, [-1.0, -2.0], 1, UNCALIBRATED)
    first, second = shown.words
    assert (first.text, first.start_frame, first.end_frame, first.stable) == ("ab", 0, 4, True)
    assert (second.text, second.start_frame, second.end_frame, second.stable) == (
        "c",
        15,
        17,
        False,
    )
    assert first.confidence == pytest.approx(0.6)
    assert second.confidence == pytest.approx(0.5)
    assert shown.confidence == pytest.approx(0.55)


def test_confidences_are_calibrated() -> None:
    weights = dict.fromkeys(STAGES["search"], 0.0)
    calibration = Calibration({"search": {**weights, "language_log10": 1.0}})
    shown = hypothesis(WORDS, [-1.0, 0.0], 0, calibration)
    chances = [1 / (1 + math.e), 0.5]
    assert [word.confidence for word in shown.words] == pytest.approx(chances)
    without_model = hypothesis(WORDS, [None, None], 0, calibration)
    assert [word.confidence for word in without_model.words] == pytest.approx([0.6, 0.5])


@pytest.mark.parametrize(
    ("emitted", "spoken"),
    [
        ([(0, 2)], [(0, 2)]),  # nothing is before the segment
        ([(2, 5)], [(1, 5)]),  # a pause before the first word is one, however short
        ([(2, 5), (9, 12)], [(1, 5), (8, 12)]),
        ([(2, 5), (8, 12)], [(1, 5), (5, 12)]),  # too short for a pause
        ([(3, 8), (5, 7)], [(2, 8), (8, 8)]),  # the later word gives way
    ],
)
def test_words_begin_before_their_tokens_and_touch(
    emitted: list[tuple[int, int]], spoken: list[tuple[int, int]]
) -> None:
    assert spoken_frames(emitted) == spoken


def test_no_words() -> None:
    assert hypothesis([], [], 0, UNCALIBRATED).confidence == 0.0
