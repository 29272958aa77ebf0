"""The server that an evaluation starts, and its end."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest

from bench.eval.engine import Engine
from bench.eval.errors import EvalError
from bench.eval.streaming import hear
from models import ECHO_MODEL


@pytest.mark.server
@pytest.mark.slow
def test_it_answers_and_is_gone_afterwards() -> None:
    with Engine("--model", str(ECHO_MODEL), "--lm", "off") as engine:
        assert asyncio.run(hear(engine.url, np.zeros(16_000, np.int16), 16_000)) is not None
    with pytest.raises(EvalError, match="failed"):
        asyncio.run(hear(engine.url, np.zeros(16_000, np.int16), 16_000))


@pytest.mark.server
@pytest.mark.slow
def test_a_server_that_gives_up_is_told_in_one_line() -> None:
    with pytest.raises(EvalError, match="the server ended while it started") as caught:
        Engine("--model", "no/such/model").__enter__()
    assert "\n" not in str(caught.value)
