from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from models import BUNDLED_MODEL
from tools.lm import cli
from tools.lm.build import Recipe
from tools.lm.errors import LmError


@pytest.fixture
def recipes(monkeypatch: pytest.MonkeyPatch) -> list[Recipe]:
    asked: list[Recipe] = []

    def build(recipe: Recipe) -> Iterator[str]:
        asked.append(recipe)
        yield "built"

    monkeypatch.setattr(cli, "build", build)
    return asked


def test_the_command_line_becomes_a_recipe(
    recipes: list[Recipe], capsys: pytest.CaptureFixture[str]
) -> None:
    line = (
        "build --text a b --text c --base --phrases p --phrase-probability 0.01 --weight 0.5,0.2 "
        "--held-out h --order 4 --prune 0,1 --min-count 2 --max-mb 29.5 --output o"
    )
    assert cli.main(line.split()) == 0
    assert capsys.readouterr().out == "built\n"
    assert recipes == [
        Recipe(
            output=Path("o"),
            texts=[[Path("a"), Path("b")], [Path("c")]],
            base=BUNDLED_MODEL / "lm.bin",
            weights=(0.5, 0.2),
            phrases=Path("p"),
            phrase_probability=0.01,
            held_out=Path("h"),
            order=4,
            prune=(0, 1),
            min_count=2,
            max_mb=29.5,
        )
    ]


def test_the_defaults_are_those_of_a_recipe(recipes: list[Recipe]) -> None:
    cli.main(["build", "--weight", "auto"])
    assert recipes == [Recipe(output=Path("lm"), texts=[])]


@pytest.mark.parametrize(
    ("flag", "value", "reason"),
    [
        ("--weight", "half", "must be auto, or a number"),
        ("--prune", "1,0", "must be counts that do not fall"),
        ("--prune", "0,x", "must be counts that do not fall"),
        ("--order", "7", "must be from 2 to 6"),
        ("--min-count", "0", "must be a whole number from 1"),
        ("--max-mb", "0", "must be above 0"),
        ("--phrase-probability", "0.5", "must be above 0 and at most 0.1"),
    ],
)
def test_a_wrong_value_is_told(
    flag: str, value: str, reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        cli.main(["build", flag, value])
    assert end.value.code == 2
    assert reason in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (LmError("a.txt: line 3: not text"), "realtime-engine lm: a.txt: line 3: not text\n"),
        (
            PermissionError(13, "Permission denied", "/lm"),
            "realtime-engine lm: /lm: Permission denied\n",
        ),
    ],
)
def test_an_error_is_one_line_and_exit_code_2(
    error: Exception,
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def build(recipe: Recipe) -> Iterator[str]:
        raise error

    monkeypatch.setattr(cli, "build", build)
    assert cli.main(["build"]) == 2
    assert capsys.readouterr().err == said


def test_kenlm_is_installed_where_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(cli, "install_kenlm", lambda prefix: [prefix / "bin" / "lmplz"])
    assert cli.main(["install-kenlm", "--prefix", str(tmp_path)]) == 0
    assert capsys.readouterr().out == f"{tmp_path}/bin/lmplz\n"
