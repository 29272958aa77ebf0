from __future__ import annotations

from tools.loadtest.tally import DISTINCT_REASONS, REASON_CHARACTERS, Fault, Metric, Tally


def test_reasons_are_bounded_in_number_and_length_and_none_is_lost() -> None:
    tally = Tally()
    for number in range(100):
        tally.note(Fault.ERROR, f"{number} " + "long\n" * 1000)
    reasons = tally.faults[Fault.ERROR]
    assert reasons.total() == 100
    assert len(reasons) == DISTINCT_REASONS + 1
    assert all(len(reason) <= REASON_CHARACTERS and "\n" not in reason for reason in reasons)


def test_every_metric_and_fault_has_a_name_for_the_table() -> None:
    tally = Tally()
    assert all(metric.label and tally.measured(metric).values_ms == [] for metric in Metric)
    assert {fault.label for fault in Fault} >= {"refused connections", "duplicated responses"}
