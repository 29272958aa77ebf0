"""The command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.eval.errors import EvalError
from bench.eval.options import NOISE_S, SECTIONS, SHORT_NOISE_S, parse_options


def test_defaults_need_nothing() -> None:
    options = parse_options([])
    assert options.manifest.is_file()
    assert options.sections == SECTIONS
    assert options.noise_seconds == NOISE_S
    assert options.output is None


def test_noise_is_shorter_with_a_limit_unless_said() -> None:
    assert parse_options(["--limit", "3"]).noise_seconds == SHORT_NOISE_S
    assert parse_options(["--limit", "3", "--noise-seconds", "9"]).noise_seconds == 9


def test_sections_run_in_their_own_order() -> None:
    assert parse_options(["--sections", "noise, accuracy"]).sections == ("accuracy", "noise")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--limit", "0"], "--limit should be more than 0, not 0"),
        (["--noise-seconds", "-1"], "--noise-seconds should be more than 0"),
        (["--sections", "accuracy,speed"], "--sections has no speed: it takes accuracy"),
        (["--sections", ","], "--sections names none"),
        (["--url", "ws://a", "--server-flags", "--lm off"], "--url names another"),
        (["--output", "no/such/folder/a.json"], "there is no folder no/such/folder"),
    ],
)
def test_mistakes(arguments: list[str], said: str) -> None:
    with pytest.raises(EvalError, match=said):
        parse_options(arguments)


def test_flags_of_the_server_are_split_as_a_shell_does() -> None:
    flags = parse_options(["--server-flags", "--model 'a b' --lm off"]).server_flags
    assert flags == ("--model", "a b", "--lm", "off")


def test_a_whisper_directory_is_kept() -> None:
    assert parse_options(["--whisper", "some/where"]).whisper == Path("some/where")
