"""Expected calibration error and the reliability of each interval."""

from __future__ import annotations

import pytest

from bench.eval.calibration import calibrate


def test_confidences_that_tell_the_truth_have_no_error() -> None:
    found = calibrate([(0.75, True), (0.75, True), (0.75, True), (0.75, False)])
    assert found is not None
    assert found.error == pytest.approx(0)
    assert (found.words, found.confidence, found.right) == (4, 0.75, 0.75)


def test_intervals_are_weighted_by_their_words() -> None:
    found = calibrate([(0.95, True)] * 3 + [(0.25, True)])
    assert found is not None
    assert found.error == pytest.approx(0.75 * 0.05 + 0.25 * 0.75)
    assert [(b.low, b.words, b.right) for b in found.bins] == [(0.2, 1, 1.0), (0.9, 3, 1.0)]


def test_too_sure_and_too_modest_do_not_cancel_out_across_intervals() -> None:
    found = calibrate([(1.0, False), (0.0, True)])
    assert found is not None
    assert found.error == pytest.approx(1.0)


def test_no_words() -> None:
    assert calibrate([]) is None
