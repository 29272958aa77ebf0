"""The protocol's lines 7 to 10, sending audio, against the real server."""

from __future__ import annotations

import io
import json
import struct
import subprocess
import wave
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.conformance.client import (
    Client,
    RawClient,
    audio_frames,
    message_limit,
    pcm_bytes,
    query,
    text_frame,
)
from tests.conformance.hypotheses import text_of
from tests.conformance.server_process import ServerProcess, start
from tests.conformance.speech import RATE_HZ, clips
from tests.conformance.spelling import FRAME_MS, silence, spell, spoken_for
from tests.conformance.waiting import PATIENCE_S

pytestmark = pytest.mark.server

LIMITS = {8000: 2048, 11_025: 2822, 16_000: 4096, 22_050: 5644, 44_100: 11_288, 48_000: 12_288}
RING_S = 66
"""More than a stream can have under way: a client that sends more at once is slowed down."""


class TestLine07MessageSize:
    """Line 7: raw 16-bit little-endian mono PCM, at most 128 ms in a message."""

    @pytest.mark.parametrize(("rate_hz", "limit"), LIMITS.items())
    def test_line_07_the_limit_itself_is_taken(
        self, echo_server: ServerProcess, rate_hz: int, limit: int
    ) -> None:
        with Client(echo_server.url, query(rate_hz), rate_hz=rate_hz) as client:
            client.send_audio(spell("up to the limit", rate_hz), message_bytes=limit)
            assert client.done()["text"] == "up to the limit"

    @pytest.mark.parametrize(("rate_hz", "limit"), LIMITS.items())
    def test_line_07_a_sample_more_is_not(
        self, echo_server: ServerProcess, rate_hz: int, limit: int
    ) -> None:
        with Client(echo_server.url, query(rate_hz), rate_hz=rate_hz) as client:
            client.send(bytes(limit + 2))
            (answer,) = client.until_closed()
        assert answer["status"] == "rate_limited"
        assert answer["info"] == f"The message chunk size must not exceed {limit}"

    @pytest.mark.parametrize("message_bytes", [2, 14, 1000])
    def test_line_07_smaller_messages_say_the_same(
        self, echo_server: ServerProcess, message_bytes: int
    ) -> None:
        with Client(echo_server.url) as client:
            client.send_audio(spell("bit by bit"), message_bytes)
            client.send(b"")
            assert client.done()["text"] == "bit by bit"

    def test_line_07_fragments_make_one_message(self, echo_server: ServerProcess) -> None:
        audio = pcm_bytes(spell("cut"))
        with Client(echo_server.url) as client:
            client.send([audio[:1], audio[1:1001], b"", audio[1001:]])
            assert client.done()["text"] == "cut"


class TestLine08TooLarge:
    """Line 8: what was transcribed comes first, then ``rate_limited``, then the close."""

    def oversize(self, client: Client, message: Any) -> list[dict[str, Any]]:
        client.send_audio(spell("hello world"))
        client.send(message)
        messages = client.until_closed()
        assert client.close_code == 1009
        return messages

    def check(self, messages: list[dict[str, Any]], limit: int = 4096) -> None:
        final, answer = messages
        assert final["isFinal"]
        assert final["text"] == "hello world"
        assert answer["status"] == "rate_limited"
        assert answer["info"] == f"The message chunk size must not exceed {limit}"

    def test_line_08_final_then_answer_then_close(self, echo_server: ServerProcess) -> None:
        with Client(echo_server.url) as client:
            self.check(self.oversize(client, bytes(4098)))

    def test_line_08_fragments_count_together(self, echo_server: ServerProcess) -> None:
        with Client(echo_server.url) as client:
            self.check(self.oversize(client, [bytes(2048), bytes(2048), bytes(2)]))

    def test_line_08_too_large_to_be_read(self, echo_server: ServerProcess) -> None:
        with Client(echo_server.url) as client:
            self.check(self.oversize(client, bytes(5 << 20)))

    def test_line_08_nothing_transcribed_nothing_finalised(
        self, echo_server: ServerProcess
    ) -> None:
        with Client(echo_server.url, "/", rate_hz=8000) as client:
            client.send(bytes(4096))
            (answer,) = client.until_closed()
        assert answer["info"] == "The message chunk size must not exceed 2048"
        assert client.close_code == 1009

    def test_line_08_real_speech_is_finalised(self, speech_server: ServerProcess) -> None:
        clip = clips(1)[0]
        with Client(speech_server.url) as client:
            client.send_audio(clip.audio)
            expected = client.done()["text"]
        with Client(speech_server.url) as client:
            client.send_audio(clip.audio)
            client.send(bytes(10_000))
            messages = client.until_closed()
        assert text_of(messages) == expected
        assert [m.get("status") for m in messages][-2:] == [None, "rate_limited"]


class TestLine09Mistakes:
    """Line 9: a mistake is answered, never a crash, never a silent loss."""

    def test_line_09_odd_number_of_bytes(self, echo_server: ServerProcess) -> None:
        with Client(echo_server.url) as client:
            client.send_audio(spell("so far so good"))
            client.send(bytes(101))
            final, answer = client.until_closed()
        assert final["text"] == "so far so good"
        assert answer["status"] == "error"
        assert "101" in answer["info"]
        assert client.close_code == 1007

    @pytest.mark.parametrize("text", ["Done", "", '{"eof": 1}', "done " * 50_000, "né\n"])
    def test_line_09_unknown_text_and_the_stream_goes_on(
        self, echo_server: ServerProcess, text: str
    ) -> None:
        with Client(echo_server.url) as client:
            client.send_audio(spell("before and "))
            client.send(text)
            answer = client.receive()
            client.send_audio(spell("after"))
            final = client.done()
        assert answer["status"] == "error"
        assert len(answer["info"]) < 200
        assert final["text"] == "before and after"

    def test_line_09_text_that_is_none(self, echo_server: ServerProcess) -> None:
        """Text messages are UTF-8; RFC 6455 ends a stream that breaks this with 1007."""
        with RawClient(echo_server.url) as client:
            client.send(client.handshake + audio_frames(spell("hello")) + text_frame(b"\xff\xfe"))
            _, final, answer = client.messages()
        assert final["text"] == "hello"
        assert answer["status"] == "error"
        assert client.close_code == 1007

    def test_line_09_broken_frames(self, echo_server: ServerProcess) -> None:
        """Not a WebSocket any more: what was heard is still said."""
        with RawClient(echo_server.url) as client:
            client.send(client.handshake + audio_frames(spell("hello")) + b"\xff" * 100)
            _, final = client.messages()
        assert final["text"] == "hello"
        assert client.close_code == 1002

    def test_line_09_a_file_at_full_speed_loses_nothing(self, echo_server: ServerProcess) -> None:
        """Longer than what a stream may have under way, so that TCP has to slow it down."""
        words = spoken_for(3 * RING_S * 1000)
        with Client(echo_server.url) as client:
            client.send_audio(spell(words))
            heard = text_of(client.close())
        # An utterance ends after its maximum length wherever that is, in a word if need be.
        assert heard.replace(" ", "") == words.replace(" ", "")

    def test_line_09_speed_and_cuts_change_no_word(
        self, speech_server: ServerProcess, tmp_path: Path
    ) -> None:
        """Real speech as a file at full speed, in little messages, and by ``transcribe``."""
        sentences = clips(3)
        audio = np.concatenate([np.append(clip.audio, silence(1.0)) for clip in sentences])
        heard = []
        for message_bytes in (message_limit(RATE_HZ), 322):
            with Client(speech_server.url) as client:
                client.send_audio(audio, message_bytes)
                heard.append(text_of(client.close()))
        heard.append(transcribed(audio, tmp_path / "speech.wav"))
        assert heard[0].split()
        assert heard == heard[:1] * 3


class TestLine10WavHeader:
    """Line 10: a WAV header at the very start is recognised and skipped."""

    WORDS = "this was a file"

    def test_line_10_a_file_as_it_is(self, echo_server: ServerProcess) -> None:
        with Client(echo_server.url) as client:
            client.send_audio(wav(spell(self.WORDS)))
            final = client.done()
        assert final["text"] == self.WORDS
        assert final["words"][0]["start"] == 0

    @pytest.mark.parametrize("first_bytes", [2, 4, 10, 20, 36, 42, 44, 46])
    def test_line_10_a_header_in_two_messages(
        self, echo_server: ServerProcess, first_bytes: int
    ) -> None:
        file = wav(spell(self.WORDS))
        with Client(echo_server.url) as client:
            client.send_audio(file[:first_bytes])
            client.send_audio(file[first_bytes:])
            assert client.done()["text"] == self.WORDS

    def test_line_10_a_header_in_single_samples(self, echo_server: ServerProcess) -> None:
        with Client(echo_server.url) as client:
            client.send_audio(wav(spell("hi")), message_bytes=2)
            assert client.done()["text"] == "hi"

    def test_line_10_other_chunks_before_the_samples(self, echo_server: ServerProcess) -> None:
        file = wav(spell(self.WORDS))
        odd_chunk = struct.pack("<4sI", b"LIST", 5001) + bytes(5002)
        with Client(echo_server.url) as client:
            client.send_audio(file[:36] + odd_chunk + file[36:])
            assert client.done()["text"] == self.WORDS

    def test_line_10_at_8_khz(self, echo_server: ServerProcess) -> None:
        with Client(echo_server.url, "/", rate_hz=8000) as client:
            client.send_audio(wav(spell(self.WORDS, 8000), 8000))
            assert client.done()["text"] == self.WORDS

    def test_line_10_a_header_of_another_rate_is_a_mistake(
        self, echo_server: ServerProcess
    ) -> None:
        with Client(echo_server.url) as client:
            client.send(wav(spell("high"), 44_100)[:4096])
            (answer,) = client.until_closed()
        assert answer["status"] == "error"
        assert "sampleRate=44100" in answer["info"]
        assert client.close_code == 1007

    def test_line_10_only_at_the_start(self, echo_server: ServerProcess) -> None:
        """Later, such bytes are samples: no time is taken out of the stream."""
        header = wav(silence(0))
        with Client(echo_server.url) as client:
            client.send_audio(spell("one ") + np.int16(0))
            client.send_audio(header * 20)
            client.send_audio(spell("two"))
            words = client.done()["words"]
        assert words[-1]["end"] == pytest.approx(client.sent_ms, abs=FRAME_MS)


def wav(audio: NDArray[np.int16], rate_hz: int = RATE_HZ) -> bytes:
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate_hz)
        file.writeframes(pcm_bytes(audio))
    return buffer.getvalue()


def transcribed(audio: NDArray[np.int16], path: Path) -> str:
    """What ``realtime-engine transcribe`` hears in a file of this audio."""
    path.write_bytes(wav(audio))
    process = start(
        "transcribe", "--json", "--beam-size", "100", str(path),
        environment={}, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        output, _ = process.communicate(timeout=PATIENCE_S)
    finally:
        process.kill()
        process.wait()
    text: str = json.loads(output)["text"]
    return text
