"""The command line."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest

from tools.train.options import parser
from tools.train.recipe import Recipe

STAGES = ("prepare", "train", "evaluate", "export", "pack", "unpack")


@pytest.mark.parametrize("stage", STAGES)
def test_every_stage_explains_itself(stage: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        parser().parse_args([stage, "--help"])
    assert ended.value.code == 0
    assert stage in capsys.readouterr().out


def test_every_setting_of_the_recipe_is_an_option() -> None:
    given = parser().parse_args(["train", "data", "out", "--encoder-rate", "1e-5"])
    recipe = Recipe(**{field.name: getattr(given, field.name) for field in fields(Recipe)})
    assert recipe == Recipe(encoder_rate=1e-5)


def test_corpora_and_speeds_may_be_repeated() -> None:
    arguments = ["prepare", "out", "--corpus", "a=manifest:x", "--corpus", "b=lj-speech:y"]
    given = parser().parse_args([*arguments, "--speed", "0.9", "--speed", "1.1"])
    assert given.corpus == ["a=manifest:x", "b=lj-speech:y"]
    assert given.speed == [0.9, 1.1]
    assert given.output == Path("out")


def test_a_stage_is_needed(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parser().parse_args([])
    assert "stage" in capsys.readouterr().err
