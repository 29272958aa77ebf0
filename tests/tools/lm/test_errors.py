from __future__ import annotations

from server.config import ConfigError
from tools.lm.errors import LmError


def test_it_is_an_error_of_its_own() -> None:
    """A fault of the tools must not be taken for one of the server's settings."""
    assert not issubclass(LmError, ConfigError)
    assert str(LmError("a.txt: empty")) == "a.txt: empty"
