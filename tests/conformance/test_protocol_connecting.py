"""The protocol's lines 1 to 6, connecting, against the real server."""

from __future__ import annotations

import http.client
import json
import ssl
import uuid
from contextlib import ExitStack
from typing import Any

import numpy as np
import pytest
from websockets.exceptions import InvalidMessage

from tests.conformance.client import (
    Client,
    RawClient,
    Refusal,
    audio_frames,
    query,
    refusal,
    text_frame,
)
from tests.conformance.conftest import FEW_SLOTS, TlsServer
from tests.conformance.server_process import HOST, ServerProcess
from tests.conformance.spelling import SPEC, spell
from tests.conformance.waiting import PATIENCE_S, wait_until

pytestmark = pytest.mark.server


class TestLine01Url:
    """Line 1: all parameters are optional, names case-sensitive, booleans lenient; wss with TLS."""

    @pytest.mark.parametrize(
        "target",
        [
            "",
            "/",
            "/?",
            "/?text2int=True",
            "/?downsample=True",
            "/?sampleRate=8000",
            "/?downsample=True&sampleRate=16000&text2int=True",
            "/?text2int=0&sampleRate=48000&downsample=1",
            "/?downsample=TRUE&sampleRate=16000&text2int=false",
        ],
    )
    def test_line_01_accepted_targets(self, echo_server: ServerProcess, target: str) -> None:
        with Client(echo_server.url, target) as client:
            assert client.ready["status"] == "ready"

    @pytest.mark.parametrize(
        "target",
        ["/?Downsample=True", "/?samplerate=8000", "/?text2int=yes", "/?downsample=", "/?colour=1"],
    )
    def test_line_01_other_names_and_values_are_errors(
        self, echo_server: ServerProcess, target: str
    ) -> None:
        assert refusal(echo_server.url, target).status == 400

    def test_line_01_wss(self, tls_server: TlsServer) -> None:
        with Client(tls_server.process.url, ssl=tls_server.context) as client:
            client.send_audio(spell("behind a certificate"))
            assert client.done()["text"] == "behind a certificate"

    def test_line_01_wss_close_brings_the_final(self, tls_server: TlsServer) -> None:
        with Client(tls_server.process.url, ssl=tls_server.context) as client:
            client.send_audio(spell("good bye"))
            assert [message["text"] for message in client.close()] == ["good bye"]

    def test_line_01_wss_is_checked(self, tls_server: TlsServer) -> None:
        with pytest.raises(ssl.SSLCertVerificationError):
            Client(tls_server.process.url, ssl=ssl.create_default_context())

    def test_line_01_no_plain_text_beside_tls(self, tls_server: TlsServer) -> None:
        with pytest.raises((InvalidMessage, ConnectionError)):
            Client(tls_server.process.url.replace("wss:", "ws:"))


class TestLine02SampleRate:
    """Line 2: 8000 Hz unless ``downsample=True`` names another rate from 8000 to 48000."""

    @pytest.mark.parametrize("target", ["/", "/?downsample=True", "/?sampleRate=8000"])
    def test_line_02_default_is_8000(self, echo_server: ServerProcess, target: str) -> None:
        with Client(echo_server.url, target, rate_hz=8000) as client:
            client.send_audio(spell("eight thousand", 8000))
            assert client.done()["text"] == "eight thousand"

    @pytest.mark.parametrize("rate_hz", [8000, 11_025, 16_000, 22_050, 44_100, 48_000])
    def test_line_02_any_rate_is_converted(self, echo_server: ServerProcess, rate_hz: int) -> None:
        with Client(echo_server.url, query(rate_hz), rate_hz=rate_hz) as client:
            client.send_audio(spell("the same words at any rate", rate_hz))
            final = client.done()
        assert final["text"] == "the same words at any rate"
        assert final["words"][-1]["end"] == pytest.approx(client.sent_ms, abs=1)

    @pytest.mark.parametrize(
        "target",
        [
            "/?sampleRate=16000",
            "/?sampleRate=16000&downsample=False",
            "/?downsample=True&sampleRate=7999",
            "/?downsample=True&sampleRate=48001",
            "/?downsample=True&sampleRate=16000.0",
            "/?downsample=True&sampleRate=fast",
            "/?downsample=True&sampleRate=-16000",
            "/?downsample=True&sampleRate=",
            "/?downsample=True&sampleRate=16000&sampleRate=16000",
        ],
    )
    def test_line_02_other_rates_are_errors(self, echo_server: ServerProcess, target: str) -> None:
        refused = refusal(echo_server.url, target)
        assert refused.status == 400
        assert "sampleRate" in refused.body["info"]

    def test_line_02_keeps_the_upper_band(self, echo_server: ServerProcess) -> None:
        """Impulses of one sample: half their energy lies above 4 kHz, so 8 kHz would blur them."""
        letters = spell("every sample counts")
        audio = np.zeros_like(letters)
        middle = slice(SPEC.frame_samples // 2, None, SPEC.frame_samples)
        audio[middle] = letters[middle]
        with Client(echo_server.url) as client:
            client.send_audio(audio)
            assert client.done()["text"] == "every sample counts"


class TestLine03Text2int:
    """Line 3: numbers as digits in partials and finals, an entry per written token."""

    def test_line_03_off_by_default(self, echo_server: ServerProcess) -> None:
        target = "/?downsample=True&sampleRate=16000"
        with Client(echo_server.url, target) as client:
            client.send_audio(spell("seventy two"))
            assert client.done()["text"] == "seventy two"

    def test_line_03_final(self, echo_server: ServerProcess) -> None:
        audio = spell("we counted one hundred and five of seventy two men")
        with Client(echo_server.url, query(text2int=False)) as client:
            client.send_audio(audio)
            spoken = client.done()["words"]
        with Client(echo_server.url, query(text2int=True)) as client:
            client.send_audio(audio)
            final = client.done()
        assert final["text"] == "we counted 105 of 72 men"
        assert [span(word) for word in final["words"]] == [
            span(spoken[0]),
            span(spoken[1]),
            span(spoken[2], spoken[5]),
            span(spoken[6]),
            span(spoken[7], spoken[8]),
            span(spoken[9]),
        ]

    def test_line_03_partials(self, quick_echo_server: ServerProcess) -> None:
        with Client(quick_echo_server.url, query(text2int=True)) as client:
            client.send_audio(spell("room seventy two is on the second floor"))
            client.done()
        partials = client.received[1:-1]
        assert partials
        assert any("72" in partial["text"].split() for partial in partials)
        assert not any("seventy two" in partial["text"] for partial in partials)


class TestLine04Ready:
    """Line 4: ``ready`` comes before anything else, and audio need not wait for it."""

    def test_line_04_ready_is_first(self, echo_server: ServerProcess) -> None:
        with Client(echo_server.url) as client:
            message_id = client.ready.pop("msgId")
            assert client.ready == {"status": "ready", "info": "Websocket ready."}
            assert uuid.UUID(message_id).version == 4

    def test_line_04_audio_behind_the_handshake_is_not_lost(
        self, echo_server: ServerProcess
    ) -> None:
        """The request and a whole utterance in one write, before the server has said a word."""
        speech = audio_frames(spell("i could not wait to speak"))
        with RawClient(echo_server.url) as client:
            client.send(client.handshake + speech + text_frame(b"done"))
            messages = client.messages()
            assert next(messages)["status"] == "ready"
            assert next(messages)["text"] == "i could not wait to speak"

    def test_line_04_audio_right_after_the_upgrade_is_not_lost(
        self, echo_server: ServerProcess
    ) -> None:
        with RawClient(echo_server.url) as client:
            client.send(client.handshake)
            client.send(audio_frames(spell("first")))
            client.send(audio_frames(spell(" second")) + text_frame(b"done"))
            messages = client.messages()
            assert next(messages)["status"] == "ready"
            assert next(messages)["text"] == "first second"


def test_line_05_message_ids_are_unique(quick_echo_server: ServerProcess) -> None:
    """Line 5: over every kind of message, and over connections."""
    received: list[dict[str, Any]] = []
    for _ in range(2):
        with Client(quick_echo_server.url) as client:
            for _ in range(3):
                client.send_audio(spell("the same words over and over again"))
                client.send("no such message")
                client.send("done")
            received += [client.ready, *client.close()]
    kinds = {message.get("status", message.get("isFinal")) for message in received}
    assert kinds == {"ready", "error", True, False}
    assert len({message["msgId"] for message in received}) == len(received)


class TestLine06Refusals:
    """Line 6: refused in the handshake by HTTP, with JSON that says what would be right.

    This version asks for no credentials, so there is none to miss.
    """

    def test_line_06_bad_parameter(self, echo_server: ServerProcess) -> None:
        refused = refusal(echo_server.url, "/?sampleRate=16000")
        check_refusal(refused, 400)
        assert "downsample=True" in refused.body["info"]

    def test_line_06_unknown_path(self, echo_server: ServerProcess) -> None:
        check_refusal(refusal(echo_server.url, "/asr"), 404)

    def test_line_06_no_websocket_request(self, echo_server: ServerProcess) -> None:
        """One whose upgrade was lost on the way, as behind a proxy that does not know of it."""
        connection = http.client.HTTPConnection(HOST, echo_server.port, timeout=PATIENCE_S)
        connection.request("GET", "/", headers={"Sec-WebSocket-Version": "13"})
        response = connection.getresponse()
        headers = {name.lower(): value for name, value in response.getheaders()}
        check_refusal(Refusal(response.status, headers, json.loads(response.read())), 426)
        connection.close()

    def test_line_06_over_tls(self, tls_server: TlsServer) -> None:
        check_refusal(refusal(tls_server.process.url, "/?a=b", tls_server.context), 400)

    def test_line_06_full_server(self, echo_server: ServerProcess) -> None:
        with ExitStack() as clients:
            for _ in range(int(FEW_SLOTS)):
                clients.enter_context(Client(echo_server.url))
            refused = refusal(echo_server.url, "/")
            check_refusal(refused, 503)
            assert int(refused.headers["retry-after"]) > 0
        wait_until(lambda: accepts(echo_server), "a slot is free again")

    def test_line_06_refusals_take_no_slot(self, echo_server: ServerProcess) -> None:
        for _ in range(2 * int(FEW_SLOTS)):
            refusal(echo_server.url, "/?sampleRate=1")
        with ExitStack() as clients:
            for _ in range(int(FEW_SLOTS)):
                clients.enter_context(Client(echo_server.url))


def check_refusal(refused: Refusal, status: int) -> None:
    assert refused.status == status
    assert refused.headers["content-type"] == "application/json"
    assert set(refused.body) == {"status", "info", "msgId"}
    assert refused.body["info"]


def accepts(server: ServerProcess) -> bool:
    try:
        refusal(server.url, "/")
    except AssertionError:
        return True
    return False


def span(word: dict[str, Any], last: dict[str, Any] | None = None) -> tuple[int, int]:
    return word["start"], (last or word)["end"]
