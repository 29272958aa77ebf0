from __future__ import annotations

from pathlib import Path

import pytest

from tests.server.certificates import make_pair


@pytest.fixture(scope="session")
def tls_pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate and its key."""
    return make_pair(tmp_path_factory.mktemp("tls"), "our")


@pytest.fixture(scope="session")
def other_tls_pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate and its key that have nothing to do with `tls_pair`."""
    return make_pair(tmp_path_factory.mktemp("tls"), "other")
