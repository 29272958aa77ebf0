"""How long is waited, and what is said when it was too long."""

from __future__ import annotations

from server.patience import UNREAD_BYTES, Patience, Verdict


def status(verdict: Verdict | None) -> str | None:
    return None if verdict is None else verdict.status


def test_idleness_counts_from_the_last_message() -> None:
    patience = Patience(idle_s=60, unread_s=30, now_s=100.0)
    assert patience.verdict(0, listening=True, now_s=159.9) is None
    patience.heard(150.0)
    assert patience.verdict(0, listening=True, now_s=209.9) is None
    verdict = patience.verdict(0, listening=True, now_s=210.0)
    assert verdict is not None
    assert (verdict.status, "for 60 s" in verdict.info) == ("idle_timeout", True)


def test_who_is_not_listened_to_is_not_idle() -> None:
    patience = Patience(idle_s=60, unread_s=30, now_s=0.0)
    assert patience.verdict(0, listening=False, now_s=100.0) is None
    assert patience.verdict(0, listening=True, now_s=159.9) is None
    assert status(patience.verdict(0, listening=True, now_s=160.0)) == "idle_timeout"


def test_no_limit_to_idleness() -> None:
    assert Patience(0, 30, 0.0).verdict(0, listening=True, now_s=1e9) is None


def test_results_may_be_unread_for_a_while_at_a_time() -> None:
    patience = Patience(idle_s=0, unread_s=30, now_s=0.0)
    assert patience.verdict(UNREAD_BYTES, listening=True, now_s=0.0) is None
    assert patience.verdict(UNREAD_BYTES, listening=True, now_s=100.0) is None
    assert patience.verdict(UNREAD_BYTES + 1, listening=True, now_s=100.0) is None
    assert patience.verdict(UNREAD_BYTES + 1, listening=True, now_s=129.9) is None
    assert patience.verdict(0, listening=True, now_s=130.0) is None
    assert patience.verdict(UNREAD_BYTES + 1, listening=True, now_s=131.0) is None
    assert patience.verdict(UNREAD_BYTES + 1, listening=False, now_s=160.9) is None
    verdict = patience.verdict(UNREAD_BYTES + 1, listening=False, now_s=161.0)
    assert verdict is not None
    assert (verdict.status, "for 30 s" in verdict.info) == ("slow_reader", True)
