"""Takeovers, reloads and deaths of frontends under load, in short, with the model that spells."""

from __future__ import annotations

import argparse
import asyncio

import pytest

from bench.chaos import frontends, reload, takeover
from bench.chaos.rounds import Round
from tests.conformance.conftest import echo_flags
from tests.conformance.spelling import silence, spell

pytestmark = pytest.mark.server

FLAGS = (*echo_flags(), "--slots", "12")


def rounds() -> list[Round]:
    pause = silence(1.2).tobytes()
    return [
        Round.of(name, [spell(text).tobytes() for text in texts], pause)
        for name, texts in (
            ("one", ("said first by one of them", "and then the rest")),
            ("two", ("another says this", "with something more to say", "to the end")),
        )
    ]


def test_one_server_after_another() -> None:
    found = asyncio.run(takeover.takeovers(FLAGS, rounds(), 2))
    assert found.failures == []
    assert found.figures["takeovers"] == 2
    assert found.figures["whole"] > 0
    assert found.figures["sent_away"] > 0
    assert found.figures["knocks"] > 0


def test_one_model_after_another() -> None:
    found = asyncio.run(reload.reloads(FLAGS, rounds(), 3))
    assert found.failures == []
    assert found.figures["reloads"] == 3
    assert found.figures["finals"] > 0


def test_one_frontend_after_another() -> None:
    found = asyncio.run(frontends.deaths(FLAGS, rounds(), 2, 6.0))
    assert found.failures == []
    assert found.figures["deaths"] == 2
    assert found.figures["finals"] > 0
    assert found.figures["back_after_ms"]["count"] == 2


def test_their_options() -> None:
    parser = argparse.ArgumentParser()
    frontends.add_options(parser.add_argument)
    takeover.add_options(parser.add_argument)
    reload.add_options(parser.add_argument)
    options = parser.parse_args(["--takeovers", "1", "--reloads", "2", "--deaths", "3"])
    assert (options.takeovers, options.reloads, options.deaths) == (1, 2, 3)
