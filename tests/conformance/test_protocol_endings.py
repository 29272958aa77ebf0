"""The protocol's lines 14 to 16, how utterances and streams end, against the real server.

What comes when is judged by the audio that was sent, never by a clock: `done` is the barrier
behind which everything before it has been answered.
"""

from __future__ import annotations

import pytest

from tests.conformance.client import (
    Client,
    RawClient,
    audio_frames,
    text_frame,
)
from tests.conformance.hypotheses import text_of
from tests.conformance.server_process import ServerProcess
from tests.conformance.speech import RATE_HZ, clips, continuous_speech
from tests.conformance.spelling import (
    CHUNK_MS,
    ENDPOINT_S,
    FRAME_MS,
    numbered_words,
    silence,
    spell,
    spoken_for,
)

pytestmark = pytest.mark.server

MAX_UTTERANCE_MS = 20_000


class TestLine14Endpoints:
    """Line 14: silence and length end an utterance, and the next one follows."""

    def test_line_14_silence_ends_an_utterance(self, echo_server: ServerProcess) -> None:
        """Two finals without `done`."""
        with Client(echo_server.url) as client:
            client.send_audio(spell("one utterance"))
            client.send_audio(silence(ENDPOINT_S))
            client.send_audio(spell("another one"))
            client.send_audio(silence(ENDPOINT_S))
            texts = [client.final()["text"], client.final()["text"]]
        assert texts == ["one utterance", "another one"]

    def test_line_14_silence_ends_real_utterances(self, speech_server: ServerProcess) -> None:
        first, second = clips(2)
        with Client(speech_server.url) as client:
            client.send_audio(first.audio)
            client.send_audio(silence(ENDPOINT_S))
            one = client.final()
            between_ms = client.sent_ms
            client.send_audio(second.audio)
            client.send_audio(silence(ENDPOINT_S))
            other = client.final()
        assert one["words"][-1]["end"] <= between_ms - ENDPOINT_S * 1000 + FRAME_MS
        assert other["words"][0]["start"] >= one["words"][-1]["end"]

    def test_line_14_a_short_pause_does_not(self, echo_server: ServerProcess) -> None:
        with Client(echo_server.url) as client:
            client.send_audio(spell("half an "))
            client.send_audio(silence(0.4))
            client.send_audio(spell("utterance"))
            assert client.done()["text"] == "half an utterance"

    def test_line_14_a_long_wait_before_speech(self, echo_server: ServerProcess) -> None:
        with Client(echo_server.url) as client:
            client.send_audio(silence(33.3))
            client.send_audio(spell("at last"))
            final = client.done()
        assert final["text"] == "at last"
        assert final["words"][0]["start"] == pytest.approx(33_300, abs=2 * FRAME_MS)

    def test_line_14_maximum_length(self, echo_server: ServerProcess) -> None:
        """No pause anywhere, and still a final; what was cut in two makes one text again."""
        words = spoken_for(25_000)
        with Client(echo_server.url) as client:
            client.send_audio(spell(words))
            first = client.final()
            rest = client.done()
        assert first["words"][-1]["end"] == pytest.approx(MAX_UTTERANCE_MS, abs=FRAME_MS)
        assert first["text"] + rest["text"] == words or words == f"{first['text']} {rest['text']}"

    def test_line_14_maximum_length_of_real_speech(self, speech_server: ServerProcess) -> None:
        with Client(speech_server.url) as client:
            client.send_audio(continuous_speech(25))
            assert client.final()["words"]

    def test_line_14_many_utterances_on_a_connection(self, echo_server: ServerProcess) -> None:
        sentences = [numbered_words(4 * n, 4) for n in range(60)]
        with Client(echo_server.url) as client:
            for sentence in sentences:
                client.send_audio(spell(sentence))
                client.send_audio(silence(1.0))
            client.send_audio(silence(ENDPOINT_S))
            assert [client.final()["text"] for _ in sentences] == sentences


class TestLine15Done:
    """Line 15: `done` ends the utterance at once, with exactly one final, and only that.

    How soon the final follows is for the load tester to say.
    """

    def test_line_15_one_final_each(self, echo_server: ServerProcess) -> None:
        with Client(echo_server.url) as client:
            for word in ("one", "two", "three"):
                client.send_audio(spell(word))
                client.send("done")
            texts = [m["text"] for m in client.close()]
        assert texts == ["one", "two", "three"]

    def test_line_15_also_when_nothing_was_heard(self, echo_server: ServerProcess) -> None:
        with Client(echo_server.url) as client:
            final = client.done()
            assert final["text"] == ""
            assert final["words"] == []
            client.send_audio(silence(1.0))
            assert client.done()["words"] == []
            client.send_audio(spell("still open"))
            assert client.done()["text"] == "still open"

    def test_line_15_also_for_less_than_a_frame(self, echo_server: ServerProcess) -> None:
        with Client(echo_server.url) as client:
            client.send(bytes(2))
            assert client.done()["words"] == []

    def test_line_15_after_an_utterance_that_has_ended(self, echo_server: ServerProcess) -> None:
        with Client(echo_server.url) as client:
            client.send_audio(spell("over"))
            client.send_audio(silence(ENDPOINT_S))
            assert client.final()["text"] == "over"
            assert client.done()["text"] == ""

    def test_line_15_many_at_once(self, echo_server: ServerProcess) -> None:
        """More than the marks that a stream may have under way."""
        with Client(echo_server.url) as client:
            for _ in range(100):
                client.send("done")
            messages = client.close()
        assert [message["text"] for message in messages] == [""] * 100

    @pytest.mark.parametrize("chunks", [1, 2])
    def test_line_15_exactly_at_a_chunks_end(self, echo_server: ServerProcess, chunks: int) -> None:
        """Once the chunk was consumed: there is no audio left for the final to wait for."""
        characters = chunks * CHUNK_MS // FRAME_MS
        word = "ab" * (characters // 2)
        with Client(echo_server.url) as client:
            client.send_audio(spell(word))
            assert client.done()["text"] == word
            assert client.done()["text"] == ""

    def test_line_15_real_speech(self, speech_server: ServerProcess) -> None:
        audio = clips(1)[0].audio
        with Client(speech_server.url) as client:
            client.send_audio(audio[: 2 * RATE_HZ])
            assert client.done()["words"]
            assert client.done()["words"] == []
            client.send_audio(audio[2 * RATE_HZ :])
            assert client.done()["words"]


class TestLine16Close:
    """Line 16: closing brings the final, then the server's close."""

    def test_line_16_final_before_the_close(self, echo_server: ServerProcess) -> None:
        with Client(echo_server.url) as client:
            client.send_audio(spell("good bye"))
            messages = client.close()
        assert [(m["isFinal"], m["text"]) for m in messages] == [(True, "good bye")]
        assert client.close_code == 1000

    def test_line_16_real_speech(self, speech_server: ServerProcess) -> None:
        audio = clips(1)[0].audio
        with Client(speech_server.url) as client:
            client.send_audio(audio)
            expected = client.done()["text"]
        with Client(speech_server.url) as client:
            client.send_audio(audio)
            assert text_of(client.close()) == expected

    def test_line_16_nothing_heard_nothing_said(self, echo_server: ServerProcess) -> None:
        with Client(echo_server.url) as client:
            client.send_audio(silence(3.0))
            assert client.close() == []

    def test_line_16_half_close(self, echo_server: ServerProcess) -> None:
        with RawClient(echo_server.url) as client:
            client.send(client.handshake + audio_frames(spell("over and out")))
            client.half_close()
            _, final = client.messages()
        assert final["text"] == "over and out"
        assert client.close_code == 1000

    def test_line_16_half_close_of_a_long_stream(self, echo_server: ServerProcess) -> None:
        words = numbered_words(0, 1000)
        with RawClient(echo_server.url) as client:
            client.send(client.handshake + audio_frames(spell(words)))
            client.half_close()
            heard = text_of(list(client.messages()))
        assert heard.replace(" ", "") == words.replace(" ", "")

    @pytest.mark.parametrize("half_close", [False, True])
    def test_line_16_close_frame_with_everything_else(
        self, echo_server: ServerProcess, half_close: bool
    ) -> None:
        """Handshake, audio and close in one write; perhaps the socket's end right behind them."""
        with RawClient(echo_server.url) as client:
            audio = audio_frames(spell("in a hurry"))
            client.send(client.handshake + audio + client.close_frame())
            if half_close:
                client.half_close()
            _, final = client.messages()
        assert final["text"] == "in a hurry"
        assert client.close_code == 1000

    def test_line_16_half_close_after_a_mistake(self, echo_server: ServerProcess) -> None:
        with RawClient(echo_server.url) as client:
            client.send(client.handshake + audio_frames(spell("hello")) + text_frame(b"\xff"))
            client.half_close()
            _, final, answer = client.messages()
        assert final["text"] == "hello"
        assert answer["status"] == "error"
