"""The settings about clients, by flag and by variable."""

from __future__ import annotations

from pathlib import Path

import pytest

from server.api_keys import KEYS_VARIABLE
from server.clients_config import CLIENT_SETTINGS, client_settings
from server.config import ConfigError
from server.frontend_settings import ClientSettings

KEY = "a-key-of-the-server"


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    path = tmp_path / "keys"
    path.write_text(KEY + "\n")
    return path


def test_nothing_is_asked_of_clients_by_default() -> None:
    """But that they are quick, and read; and their sessions wait for them."""
    assert client_settings({}, {}) == ClientSettings(
        api_key_file=None,
        keep_session_s=30,
        address_streams=0,
        handshake_timeout_s=10,
        idle_timeout_s=0,
        unread_timeout_s=30,
        drain_s=5,
    )


@pytest.mark.parametrize(
    ("variable", "text", "name", "value"),
    [
        ("REALTIME_ENGINE_KEEP_SESSION_S", "0", "keep_session_s", 0),
        ("REALTIME_ENGINE_ADDRESS_STREAMS", "3", "address_streams", 3),
        ("REALTIME_ENGINE_HANDSHAKE_TIMEOUT_S", "1", "handshake_timeout_s", 1),
        ("REALTIME_ENGINE_IDLE_TIMEOUT_S", "600", "idle_timeout_s", 600),
        ("REALTIME_ENGINE_UNREAD_TIMEOUT_S", "5", "unread_timeout_s", 5),
        ("REALTIME_ENGINE_DRAIN_S", "0", "drain_s", 0),
    ],
)
def test_a_number_by_its_flag_and_by_its_variable(
    variable: str, text: str, name: str, value: int
) -> None:
    assert getattr(client_settings({name: text}, {}), name) == value
    assert getattr(client_settings({}, {variable: text}), name) == value
    with pytest.raises(ConfigError, match="must be a whole number"):
        client_settings({name: "-1"}, {})


def test_every_setting_is_a_field() -> None:
    assert {setting.name for setting in CLIENT_SETTINGS} == set(ClientSettings.__slots__)


def test_a_key_file_by_its_flag_and_by_its_variable(
    key_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(key_file.parent)
    for given in (str(key_file), key_file.name):
        assert client_settings({"api_key_file": given}, {}).api_key_file == str(key_file)
        variable = {"REALTIME_ENGINE_API_KEY_FILE": given}
        assert client_settings({}, variable).api_key_file == str(key_file)


def test_keys_are_looked_at_before_anything_starts(key_file: Path) -> None:
    with pytest.raises(ConfigError, match="both set"):
        client_settings({"api_key_file": str(key_file)}, {KEYS_VARIABLE: KEY})
    with pytest.raises(ConfigError, match=f"key 1 of {KEYS_VARIABLE}"):
        client_settings({}, {KEYS_VARIABLE: "short"})
    with pytest.raises(ConfigError, match="cannot be read"):
        client_settings({"api_key_file": str(key_file.parent)}, {})
