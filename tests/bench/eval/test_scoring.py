"""Error rates of all clips, by source and by speaker."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.eval.manifest import Clip
from bench.eval.scoring import rates, score


def test_rates() -> None:
    found = rates([("the cat sat", "the bat sat"), ("yes", "yes indeed")])
    assert (found.clips, found.words) == (2, 4)
    assert found.wer == pytest.approx(2 / 4)
    assert found.cer == pytest.approx((1 + 7) / (11 + 3))


def test_nothing_said() -> None:
    assert rates([]).wer == 0


def test_groups() -> None:
    def clip(text: str, speaker: str, source: str) -> Clip:
        return Clip(Path("a.wav"), text, speaker, source)

    clips = [clip("a b", "ann", "phone"), clip("c d", "bob", "phone"), clip("e", "", "desk")]
    found = score(clips, ["a x", "c d", "e"])
    assert found.overall.wer == pytest.approx(1 / 5)
    assert {name: r.wer for name, r in found.by_source.items()} == {"desk": 0.0, "phone": 0.25}
    assert [(s.name, s.wer) for s in found.by_speaker] == [("bob", 0.0), ("ann", 0.5)]
