"""The long run's figures: what counts as growth, and a short soak of a real server."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench.footprint import Holding
from bench.soak.__main__ import main
from bench.soak.growth import Sample, came_or_went, growths

STEADY = Holding(50_000, 4, 12)


def samples(*changes: Holding) -> list[Sample]:
    """One every ten seconds, of a process that changes and of one that does not."""
    return [
        Sample(10.0 * number, {"worker 0": changed, "supervisor": STEADY})
        for number, changed in enumerate(changes)
    ]


def memory(kib: int) -> Holding:
    return Holding(kib, 4, 12)


def too_much(found: list[Sample]) -> list[tuple[str, str]]:
    return [(growth.process, growth.held) for growth in growths(found) if growth.is_too_much]


def test_what_goes_up_and_comes_back_has_not_grown() -> None:
    up_and_down = samples(*(memory(50_000 + 20_000 * (n % 5)) for n in range(60)))
    assert too_much(up_and_down) == []


def test_memory_that_never_comes_back_has_grown() -> None:
    leaking = samples(*(memory(50_000 + 100 * n + 5_000 * (n % 3)) for n in range(60)))
    assert too_much(leaking) == [("worker 0", "private KiB")]


def test_the_slope_is_that_of_an_hour() -> None:
    straight = samples(*(memory(50_000 + 100 * n) for n in range(60)))
    slope = next(g.slope_per_hour for g in growths(straight) if g.is_too_much)
    assert slope == pytest.approx(100 * 360)


def test_what_comes_in_the_warm_up_is_no_growth() -> None:
    assert too_much(samples(*[memory(10_000)] * 6, *[memory(60_000)] * 54)) == []


def test_one_descriptor_too_many_is_growth() -> None:
    more = [Holding(50_000, 4, 13)] * 30
    assert too_much(samples(*[STEADY] * 30, *more)) == [("worker 0", "descriptors")]


def test_a_process_that_was_replaced_is_named() -> None:
    without = Sample(300.0, {"supervisor": STEADY})
    assert came_or_went([*samples(*[STEADY] * 30), without]) == ["worker 0"]
    assert came_or_went(samples(*[STEADY] * 30)) == []


def test_too_few_samples_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 9"):
        growths(samples(*[STEADY] * 9))


@pytest.mark.server
def test_a_short_soak(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """All of it but the verdict on memory: a process gains some of it in its first minute."""
    figures, picture = tmp_path / "soak.json", tmp_path / "soak.png"
    asked = ["--minutes", "0.15", "--rounds", "20", "--streams", "1"]
    main([*asked, "--output", str(figures), "--plot", str(picture), "--", "--second-pass", "off"])
    assert "heard" not in capsys.readouterr().out
    soaked = json.loads(figures.read_text())
    assert sum(soaked["rounds"].values()) == 20
    assert not any("refused with" in way for way in soaked["rounds"])
    assert {growth["process"] for growth in soaked["growth"]} == {
        "decoder 0", "frontend 0", "supervisor", "worker 0",
    }  # fmt: skip
    assert picture.read_bytes().startswith(b"\x89PNG")
