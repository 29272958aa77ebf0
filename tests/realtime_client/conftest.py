"""The engine that the tests of the client share, started when the first asks for it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.conformance.conftest import echo_flags
from tests.conformance.server_process import ServerProcess


@pytest.fixture(scope="session")
def engine() -> Iterator[ServerProcess]:
    """The real server with the model that spells; see `tests.conformance.spelling`."""
    with ServerProcess(*echo_flags()) as server:
        yield server


@pytest.fixture(scope="session")
def forgetful_engine() -> Iterator[ServerProcess]:
    """One that keeps no sessions."""
    with ServerProcess(
        *echo_flags(), environment={"REALTIME_ENGINE_KEEP_SESSION_S": "0"}
    ) as server:
        yield server
