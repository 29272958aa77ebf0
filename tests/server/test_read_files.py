"""Files that change while a frontend runs."""

from __future__ import annotations

import logging
import os
import shutil
from dataclasses import asdict
from pathlib import Path

import pytest

from server.api_keys import KEYS_VARIABLE, WRONG, ApiKeysError
from server.frontend_settings import ClientSettings, FrontendSettings
from server.read_files import ReadFiles
from server.tls import TlsError

KEY, OTHER = "a-key-of-the-server", "another-key-of-the-server"


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    path = tmp_path / "keys"
    path.write_text(KEY)
    return path


def files(key_file: Path | None, cert: Path | None = None, key: Path | None = None) -> ReadFiles:
    def text(path: Path | None) -> str | None:
        return str(path) if path else None

    return ReadFiles(
        FrontendSettings(0, text(cert), text(key), None, ClientSettings(text(key_file)))
    )


def test_keys_are_those_of_the_file_when_it_was_read_last(key_file: Path) -> None:
    read = files(key_file)
    key_file.write_text(OTHER)
    assert read.keys.refusal(None, KEY) is None
    read.read_again()
    assert read.keys.refusal(None, KEY) == WRONG
    assert read.keys.refusal(None, OTHER) is None
    assert read.tls is None


def test_a_file_that_went_bad_changes_nothing(
    key_file: Path, tls_pair: tuple[Path, Path], caplog: pytest.LogCaptureFixture
) -> None:
    cert, key = (Path(shutil.copy(path, key_file.parent)) for path in tls_pair)
    read = files(key_file, cert, key)
    context = read.tls
    key_file.write_text("short")
    cert.write_text("nonsense")
    with caplog.at_level(logging.ERROR):
        read.read_again()
    assert [message.partition(":")[0] for message in caplog.messages if "stay" in message] == [
        "the API keys stay as they were", "the certificate stays as it was",
    ]  # fmt: skip
    assert read.keys.refusal(None, KEY) is None
    assert read.tls is context


def test_without_any_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(KEYS_VARIABLE, raising=False)
    read = files(None)
    read.read_again()
    assert not read.keys.needed
    monkeypatch.setitem(os.environ, KEYS_VARIABLE, KEY)
    assert files(None).keys.needed


def test_what_cannot_be_used_at_the_start_is_an_error(
    key_file: Path, tls_pair: tuple[Path, Path]
) -> None:
    with pytest.raises(TlsError):
        files(key_file, tls_pair[0], tls_pair[0])
    key_file.write_text("")
    with pytest.raises(ApiKeysError):
        files(key_file)


def test_settings_pass_through_json() -> None:
    settings = FrontendSettings(3, "cert", "key", 4, ClientSettings("keys"))
    assert FrontendSettings.of(asdict(settings)) == settings
