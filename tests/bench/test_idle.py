"""The table of an idle engine."""

from __future__ import annotations

import os

from bench import idle
from bench.idle import table, watched


def test_every_process_and_their_sum_are_told() -> None:
    text = table("no connection", {"supervisor": 0.001, "worker 0": 0.0125})
    assert text.splitlines() == [
        "no connection",
        "  supervisor      0.10%",
        "  worker 0        1.25%",
        "  all             1.35%",
    ]


def test_a_process_that_sleeps_takes_nearly_nothing() -> None:
    idle_s, idle.SETTLE_S = idle.SETTLE_S, 0.0  # type: ignore[misc]
    try:
        shares = watched(os.getpid(), 0.1)
    finally:
        idle.SETTLE_S = idle_s  # type: ignore[misc]
    assert shares["supervisor"] >= 0
