"""The server that the robustness tests share: the spelling model, so that every text is exact."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.conformance.conftest import certificate  # noqa: F401 - a fixture here as well
from tests.conformance.server_process import ECHO, ServerProcess

SLOTS = 6
FLAGS = ("--model", str(ECHO), "--beam-size", "20", "--slots", str(SLOTS), "--intermed-partials")


@pytest.fixture(scope="session")
def server() -> Iterator[ServerProcess]:
    """Partials with every chunk, so that a test can wait until its audio was heard."""
    with ServerProcess(*FLAGS) as server:
        yield server
