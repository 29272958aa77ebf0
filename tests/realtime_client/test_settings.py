"""realtime_client/settings.py: addresses and options."""

from __future__ import annotations

import dataclasses
import ssl
from typing import Any

import pytest

from realtime_client.backoff import Backoff
from realtime_client.settings import Options, Settings


def test_the_defaults() -> None:
    assert Settings("ws://localhost:4444").target() == (
        "ws://localhost:4444/?downsample=True&sampleRate=16000&text2int=False"
    )


@pytest.mark.parametrize(
    ("url", "begins"),
    [
        ("wss://speech.example", "wss://speech.example/?"),
        ("ws://[::1]:4444/", "ws://[::1]:4444/?"),
        ("wss://example.org/speech", "wss://example.org/speech?"),
        ("ws://me:secret@host", "ws://me:secret@host/?"),
    ],
)
def test_the_address(url: str, begins: str) -> None:
    settings = Settings(url, sample_rate_hz=8000, text2int=True)
    assert settings.target() == f"{begins}downsample=True&sampleRate=8000&text2int=True"


def test_options_are_the_fields() -> None:
    """Each is written twice, once for type checkers of keywords."""
    fields = [field.name for field in dataclasses.fields(Settings)]
    assert fields == ["url", *Options.__annotations__]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"url": "http://localhost"}, "url must be like ws://HOST:4444"),
        ({"url": "localhost:4444"}, "url must be like"),
        ({"url": "ws://"}, "url must be like"),
        ({"url": "ws://localhost/?sampleRate=8000"}, "give sample_rate_hz"),
        ({"url": "ws://localhost/#a"}, "must not have parameters"),
        ({"ssl": ssl.create_default_context()}, "ssl needs a url that begins with wss://"),
        ({"sample_rate_hz": 7999}, "from 8000 to 48000, not 7999"),
        ({"sample_rate_hz": 48_001}, "from 8000 to 48000, not 48001"),
        ({"open_timeout_s": 0.0}, "open_timeout_s must be more than 0, not 0"),
        ({"open_timeout_s": float("nan")}, "open_timeout_s must be"),
        ({"api_key": "two words"}, "api_key must be letters, digits and"),
        ({"api_key": "key\r\nX: y"}, "api_key must be letters, digits and"),
    ],
)
def test_bad_options(options: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        Settings(**{"url": "ws://localhost"} | options)


def test_a_key_goes_with_the_request_and_is_not_shown() -> None:
    settings = Settings("ws://localhost", api_key="a-key==")
    assert settings.headers == {"Authorization": "Bearer a-key=="}
    assert "a-key" not in repr(settings)
    assert Settings("ws://localhost").headers == {}


def test_who_would_connect_again_asks_for_a_session() -> None:
    settings = Settings("ws://localhost", reconnect=Backoff())
    assert settings.target().endswith("&session=new")
    assert settings.target(None, "an-id") == settings.target()
    assert settings.target("token", "an-id").endswith("&session=token&lastMsgId=an-id")
    assert settings.target("token").endswith("&session=token")
