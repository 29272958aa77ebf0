from __future__ import annotations

import pytest

from tools.loadtest.messages import Hypothesis
from tools.loadtest.schedule import ClipSchedule
from tools.loadtest.tally import Fault, Metric, Tally, Turn
from tools.loadtest.verdict import Bounds, Check, judge


def tally_of(done_final_ms: float = 200.0, said: str = "word", lost: bool = False) -> Tally:
    """One clip of 1 s, said to be "word"."""
    turn = Turn(1, "clip", "word", ClipSchedule(0.0, 8000, 8000), 0, done_sent=True)
    turn.lost = lost
    if not lost:
        turn.finals.append(Hypothesis("1", said, True, ()))
        turn.answer_s = 1.0 + done_final_ms / 1000
    tally = Tally(turns=[turn])
    tally.series[Metric.TAIL_GAP].add(1.0, 0.9)
    return tally


def missed(tally: Tally, bounds: Bounds) -> dict[str, str]:
    return {check.name: check.shortfall for check in judge(tally, bounds) if not check.holds}


def test_bounds_are_inclusive_and_the_rest_has_none_to_hold() -> None:
    assert missed(tally_of(1000.0), Bounds(partial_gap_ms=900.0)) == {}


def test_a_late_final_is_missed_by_the_difference() -> None:
    assert missed(tally_of(1234.5), Bounds()) == {
        "done to final p99 (ms)": "234.5 ms over the bound"
    }


def test_a_long_gap_counts_wherever_it_was() -> None:
    tally = tally_of()
    assert missed(tally, Bounds(partial_gap_ms=899.0)) == {
        "longest speech without a partial (ms)": "1.0 ms over the bound"
    }
    tally.series[Metric.PARTIAL_GAP].add(1.0, 7.0)
    assert missed(tally, Bounds()) == {
        "longest speech without a partial (ms)": "1000.0 ms over the bound"
    }


def test_lag_is_judged_by_its_99th_percentile() -> None:
    tally = tally_of()
    for number in range(200):
        tally.series[Metric.LAG].add(1.0, 9.0 if number < 2 else 1.0)
    assert missed(tally, Bounds()) == {}
    tally.series[Metric.LAG].add(1.0, 9.0)
    assert missed(tally, Bounds()) == {"partial lag p99 (ms)": "6500.0 ms over the bound"}


def test_a_lost_final_is_missed_and_leaves_nothing_to_measure() -> None:
    assert missed(tally_of(lost=True), Bounds()) == {
        "done to final p99 (ms)": "no done was answered",
        "lost finals": "1 too many",
    }


@pytest.mark.parametrize("fault", Fault)
def test_no_fault_is_allowed(fault: Fault) -> None:
    tally = tally_of()
    tally.note(fault, "one way")
    tally.note(fault, "another way")
    assert missed(tally, Bounds()) == {fault.label: "2 too many"}


def test_no_word_at_all_is_off_schedule_only_where_words_were_said() -> None:
    tally = tally_of(said="")
    tally.series[Metric.TAIL_GAP].values_ms.clear()
    assert missed(tally, Bounds()) == {
        "longest speech without a partial (ms)": "there was speech, but no word came back"
    }
    tally.turns[0].reference = None
    assert missed(tally, Bounds()) == {}


def test_word_errors_are_judged_only_where_a_bound_is_given() -> None:
    tally = tally_of(said="sword")
    assert missed(tally, Bounds()) == {}
    assert missed(tally, Bounds(word_error_percent=60.0)) == {
        "word error rate (%)": "40.0 points over the bound"
    }
    tally.turns[0].reference = None
    assert missed(tally, Bounds(word_error_percent=60.0)) == {
        "word error rate (%)": "no transcript to count against"
    }


def test_a_check_holds_without_a_shortfall() -> None:
    assert Check("name", 1.0, 1.0, "").holds
    assert not Check("name", 1.0, 2.0, "by 1").holds
