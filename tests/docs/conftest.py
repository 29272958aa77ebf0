"""The engine that the examples of the pages talk to."""

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
