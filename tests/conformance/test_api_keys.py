"""API keys and certificates of the real server, and how they change while it runs (ours)."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import signal
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from realtime_client import Recogniser, Refused
from tests.conformance.client import Client, Refusal, knock
from tests.conformance.conftest import Tiers, echo_flags
from tests.conformance.server_process import HOST, ServerProcess
from tests.conformance.spelling import spell
from tests.conformance.waiting import PATIENCE_S, wait_until
from tests.realtime_client.fake_server import run
from tests.server.certificates import make_pair

pytestmark = pytest.mark.server

KEY, OTHER = "a-key-of-the-server", "another+key/of.the~server=="


@dataclass(frozen=True, slots=True)
class Guarded:
    """A server with keys in a file, and a certificate, whose files may change."""

    process: ServerProcess
    folder: Path

    @property
    def key_file(self) -> Path:
        return self.folder / "keys"

    @property
    def context(self) -> ssl.SSLContext:
        """That of a client who trusts the certificate that the file holds now."""
        return ssl.create_default_context(cafile=self.folder / "our-cert.pem")

    def knock(self, target: str = "/", key: str | None = None) -> Client | Refusal:
        headers = {} if key is None else {"Authorization": f"Bearer {key}"}
        return knock(
            self.process.url, target, rate_hz=8000, ssl=self.context, additional_headers=headers
        )

    def lets_in(self, key: str) -> bool:
        answer = self.knock(key=key)
        if isinstance(answer, Refusal):
            return False
        answer.close()
        return True

    def page(self, path: str) -> bytes:
        connection = http.client.HTTPSConnection(
            HOST, self.process.port, timeout=PATIENCE_S, context=self.context
        )
        connection.request("GET", path)
        answer = connection.getresponse()
        assert answer.status == 200
        body = answer.read()
        connection.close()
        return body


@pytest.fixture
def guarded(tiers: Tiers, tmp_path: Path) -> Iterator[Guarded]:
    cert, key = make_pair(tmp_path, "our")
    (tmp_path / "keys").write_text(f"# ours\n{KEY}\n")
    environment = {
        "REALTIME_ENGINE_API_KEY_FILE": str(tmp_path / "keys"),
        "SSL_CERT_PATH": str(cert),
        "SSL_CERT_KEY": str(key),
    }
    with tiers(*echo_flags(), environment=environment, scheme="wss") as process:
        yield Guarded(process, tmp_path)


def test_a_key_lets_in_and_is_told_when_it_is_missing(guarded: Guarded) -> None:
    for target, key in (("/", KEY), (f"/?apiKey={KEY}", None)):
        client = guarded.knock(target, key)
        assert isinstance(client, Client)
        client.send_audio(spell("let in", 8000))
        assert client.done()["text"] == "let in"
        client.close()
    for target, key, said in (
        ("/", None, "Authorization: Bearer KEY"),
        ("/", OTHER, "not one of the server's"),
        ("/?apiKey=", None, "Authorization: Bearer KEY"),
    ):
        refused = guarded.knock(target, key)
        assert isinstance(refused, Refusal)
        assert (refused.status, refused.body["status"]) == (401, "unauthorized")
        assert said in refused.body["info"]
        assert refused.headers["www-authenticate"].startswith("Bearer")
    assert b'streams_refused_total{reason="key"} 3.0' in guarded.page("/metrics")
    assert guarded.page("/healthz")
    assert json.loads(guarded.page("/readyz"))["api_key_needed"] is True
    assert b"API key" in guarded.page("/")
    assert KEY not in guarded.process.log


def test_files_are_read_again_and_no_stream_ends(guarded: Guarded) -> None:
    client = guarded.knock(key=KEY)
    assert isinstance(client, Client)
    client.send_audio(spell("before and ", 8000))
    guarded.key_file.write_text(OTHER)
    for path in make_pair(guarded.folder, "new"):
        shutil.copy(path, guarded.folder / path.name.replace("new", "our"))
    os.kill(guarded.process.pid, signal.SIGHUP)
    wait_until(lambda: "were read again" in guarded.process.log, "the files are read again")
    assert guarded.lets_in(OTHER)
    assert not guarded.lets_in(KEY)
    client.send_audio(spell("after", 8000))
    assert client.done()["text"] == "before and after"
    client.close()

    guarded.key_file.write_text("")
    os.kill(guarded.process.pid, signal.SIGHUP)
    wait_until(lambda: "stay as they were" in guarded.process.log, "the log says what is wrong")
    assert guarded.lets_in(OTHER)


def test_the_python_client_brings_its_key(guarded: Guarded) -> None:
    async def test() -> None:
        options = {"sample_rate_hz": 8000, "ssl": guarded.context}
        async with Recogniser(guarded.process.url, api_key=KEY, **options) as recogniser:  # type: ignore[arg-type]
            await recogniser.send(spell("with a key", 8000))
            await recogniser.finish()
            assert [heard.text async for heard in recogniser] == ["with a key"]
        with pytest.raises(Refused, match="apiKey=KEY") as refused:
            async with Recogniser(guarded.process.url, **options):  # type: ignore[arg-type]
                pass
        assert refused.value.status_code == 401

    run(test)
