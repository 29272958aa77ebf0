"""The protocol's lines 11 to 13 and 17, results, against the real server.

What comes when is judged by the audio that was sent, never by a clock: `done` is the barrier
behind which everything before it has been answered.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.conformance.client import (
    Client,
    message_limit,
    pcm_bytes,
    query,
)
from tests.conformance.hypotheses import check_hypothesis
from tests.conformance.server_process import ServerProcess
from tests.conformance.speech import RATE_HZ, clips, continuous_speech, resampled
from tests.conformance.spelling import (
    CHUNK_MS,
    ENDPOINT_S,
    FRAME_MS,
    SPEC,
    silence,
    spell,
    spoken_for,
)
from tools.loadtest.wer import count_word_errors

pytestmark = pytest.mark.server

LOOK_AHEAD_MS = 330
"""What the bundled model hears beyond a chunk."""


class TestLine11Form:
    """Line 11: the keys, types and ranges of hypotheses. `Client` checks each message it gets;
    these tests see to it that there are hypotheses of every kind, and that the bound is tight.
    """

    @pytest.mark.parametrize("rate_hz", [8000, 16_000, 44_100])
    def test_line_11_real_speech(self, quick_speech_server: ServerProcess, rate_hz: int) -> None:
        with Client(quick_speech_server.url, query(rate_hz), rate_hz=rate_hz) as client:
            for clip in clips(2):
                client.send_audio(resampled(clip.audio, rate_hz))
                assert client.done()["words"]
        kinds = {message.get("isFinal") for message in client.received}
        assert {True, False} <= kinds

    def test_line_11_no_word_ends_after_the_audio(self, quick_echo_server: ServerProcess) -> None:
        """In lock step: all of a chunk's frames are words, so any excess would show."""
        with Client(quick_echo_server.url) as client:
            for _ in range(5):
                client.send_audio(spell("a stream of " + "word "))
                check_hypothesis(client.receive(), client.sent_ms)
        assert len(client.received) == 6

    def test_line_11_times_are_those_of_the_stream(self, echo_server: ServerProcess) -> None:
        """Milliseconds from the start of the stream, through several utterances."""
        starts = []
        with Client(echo_server.url) as client:
            for _ in range(3):
                client.send_audio(silence(2.0))
                starts.append(client.sent_ms)
                client.send_audio(spell("now"))
                (word,) = client.done()["words"]
                assert word["start"] == pytest.approx(starts[-1], abs=FRAME_MS)
                assert word["end"] == pytest.approx(client.sent_ms, abs=FRAME_MS)
        assert len(set(starts)) == 3


class TestLine12Partials:
    """Line 12: partials every 4 to 5 s of audio, or every 600 ms with INTERMED_PARTIALS."""

    def test_line_12_default_schedule(self, echo_server: ServerProcess) -> None:
        """A partial's last word tells what audio it covers."""
        with Client(echo_server.url) as client:
            client.send_audio(spell(spoken_for(19_000)))
            final = client.done()
        partials = client.received[1:-1]
        covered = [0, *(partial["words"][-1]["end"] for partial in partials)]
        assert len(partials) == 4
        assert all(4000 - FRAME_MS <= b - a <= 5000 for a, b in pairwise(covered)), covered
        assert not any(partial["isFinal"] for partial in partials)
        assert final["text"] == spoken_for(19_000)

    def test_line_12_default_schedule_in_lock_step(self, speech_server: ServerProcess) -> None:
        """Real speech: once 5 s of it are sent, a partial must come before anything else."""
        audio = continuous_speech(13.5)
        with Client(speech_server.url) as client:
            for start_s in (0, 5, 9.5):
                stop_s = {0: 5, 5: 9.5, 9.5: 13.5}[start_s] + LOOK_AHEAD_MS / 1000
                sent = client.sent_bytes // 2
                client.send_audio(audio[sent : round(stop_s * RATE_HZ)])
                if start_s < 9.5:
                    assert client.receive()["isFinal"] is False
            client.done()
        partials = [m for m in client.received if m.get("isFinal") is False]
        assert len(partials) <= 13.8 / 4

    def test_line_12_intermed_partials_with_every_chunk(
        self, quick_echo_server: ServerProcess
    ) -> None:
        """In lock step: a chunk is sent, its partial awaited. Each covers all that was sent."""
        audio = spell(spoken_for(12_000))
        with Client(quick_echo_server.url) as client:
            for start in range(0, audio.shape[0] - SPEC.chunk_samples, SPEC.chunk_samples):
                client.send_audio(audio[start : start + SPEC.chunk_samples])
                partial = client.receive()
                assert partial["isFinal"] is False
                assert client.sent_ms - partial["words"][-1]["end"] <= FRAME_MS

    def test_line_12_intermed_partials_of_real_speech(
        self, quick_speech_server: ServerProcess
    ) -> None:
        """In lock step: every further 640 ms bring another partial, and no more than that."""
        audio = continuous_speech(10)
        chunk = CHUNK_MS * RATE_HZ // 1000
        with Client(quick_speech_server.url) as client:
            lead_in = 3 * chunk
            client.send_audio(audio[:lead_in])
            client.receive()
            for start in range(lead_in, audio.shape[0], chunk):
                client.send_audio(audio[start : start + chunk])
                assert client.receive()["isFinal"] is False
            client.done()
        partials = [m for m in client.received if m.get("isFinal") is False]
        assert len(partials) <= client.sent_ms / CHUNK_MS

    @pytest.mark.parametrize("text2int", [False, True])
    def test_line_12_what_is_settled_stays(
        self, one_pass_speech_server: ServerProcess, text2int: bool
    ) -> None:
        """A word with ``intermed`` false is in every later partial and in the final, the same.

        Without a second pass: it may write any word anew, so before a final nothing is settled.
        """
        received = heard(one_pass_speech_server, text2int=text2int)
        assert settled_early(received) > 0

    @pytest.mark.parametrize("text2int", [False, True])
    def test_line_12_what_is_settled_stays_with_a_second_pass(
        self, quick_speech_server: ServerProcess, text2int: bool
    ) -> None:
        settled_early(heard(quick_speech_server, text2int=text2int))

    @pytest.mark.parametrize("text2int", [False, True])
    def test_line_12_what_is_settled_stays_among_numbers(
        self, quick_echo_server: ServerProcess, text2int: bool
    ) -> None:
        with Client(quick_echo_server.url, query(text2int=text2int)) as client:
            client.send_audio(
                spell(
                    "there were seventy two thousand three hundred and one of them and a hundred "
                    "more in nineteen of twenty towns or twenty one if you count the second two"
                )
            )
            client.done()
        settled_early(client.received)


class TestLine13Finals:
    """Line 13: one final per utterance, complete and settled; then everything starts afresh."""

    def test_line_13_starts_afresh(self, quick_echo_server: ServerProcess) -> None:
        with Client(quick_echo_server.url) as client:
            client.send_audio(spell("the first utterance"))
            client.send_audio(silence(ENDPOINT_S))
            client.send_audio(spell("and the second"))
            first, second = client.final(), client.done()
        assert (first["text"], second["text"]) == ("the first utterance", "and the second")
        partials_of_second = client.received[client.received.index(first) + 1 : -1]
        assert partials_of_second
        assert all("and the second".startswith(m["text"]) for m in partials_of_second)

    def test_line_13_all_words_are_settled(self, speech_server: ServerProcess) -> None:
        with Client(speech_server.url) as client:
            client.send_audio(clips(1)[0].audio)
            final = client.done()
        assert final["words"]
        assert not any(word["intermed"] for word in final["words"])

    def test_line_13_the_final_is_the_most_accurate(
        self, quick_speech_server: ServerProcess
    ) -> None:
        """Fewer word errors than the last partials, and near enough to what was read aloud.

        A clip with a pause is several utterances: its texts are put together again.
        """
        partials, finals = [], []
        for clip in clips(6):
            with Client(quick_speech_server.url) as client:
                client.send_audio(clip.audio)
                client.close()
            partials.append((clip.text, joined_text(last_partials(client.received))))
            finals.append((clip.text, joined_text(m for m in client.received if m.get("isFinal"))))
        errors = count_word_errors(finals)
        assert errors.errors <= count_word_errors(partials).errors
        assert errors.errors < errors.words / 5


class TestLine17Silence:
    """Line 17: nothing is sent for silence."""

    @pytest.mark.parametrize("seconds", [3, 31])
    def test_line_17_nothing_for_silence(
        self, quick_echo_server: ServerProcess, seconds: int
    ) -> None:
        assert answers_before_done(quick_echo_server, silence(seconds)) == []

    def test_line_17_nothing_for_what_is_no_speech(self, quick_echo_server: ServerProcess) -> None:
        """Full scale clipping and noise: no character of the spelling model."""
        rng = np.random.default_rng(17)
        noise = rng.integers(1000, 30_000, 5 * RATE_HZ, np.int16)
        clipped = np.where(rng.random(5 * RATE_HZ) < 0.5, 32_767, -32_768).astype(np.int16)
        audio = np.concatenate([noise, clipped])
        assert answers_before_done(quick_echo_server, audio) == []

    def test_line_17_nothing_for_silence_by_the_bundled_model(
        self, quick_speech_server: ServerProcess
    ) -> None:
        """Digital silence, then the noise of a quiet line."""
        rng = np.random.default_rng(17)
        quiet = np.rint(rng.normal(0, 3, 15 * RATE_HZ)).astype(np.int16)
        audio = np.concatenate([silence(31), quiet])
        assert answers_before_done(quick_speech_server, audio) == []

    def test_line_17_nothing_new_after_the_words(self, quick_echo_server: ServerProcess) -> None:
        """While the end of an utterance is awaited, its last partial is not repeated."""
        with Client(quick_echo_server.url) as client:
            client.send_audio(spell("word"))
            client.send_audio(silence(31))
            client.final()
            client.done()
        texts = [(m["isFinal"], m["text"]) for m in client.received[1:]]
        assert texts == [(False, "word"), (True, "word"), (True, "")]


def heard(server: ServerProcess, *, text2int: bool) -> list[dict[str, Any]]:
    """Everything that a connection which speaks six clips receives."""
    with Client(server.url, query(text2int=text2int)) as client:
        client.send_audio(np.concatenate([clip.audio for clip in clips(6)]))
        client.close()
    return client.received


def answers_before_done(server: ServerProcess, audio: NDArray[np.int16]) -> list[dict[str, Any]]:
    """What comes between ``ready`` and the empty final that answers a `done`."""
    with Client(server.url) as client:
        client.send_audio(pcm_bytes(audio), message_limit(RATE_HZ))
        final = client.done()
    assert final["text"] == ""
    return client.received[1:-1]


def last_partials(received: Sequence[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Of each utterance that had any."""
    for message, after in pairwise(received):
        if message.get("isFinal") is False and after.get("isFinal"):
            yield message


def joined_text(messages: Iterable[dict[str, Any]]) -> str:
    return " ".join(message["text"] for message in messages if message["text"])


def settled_early(received: list[dict[str, Any]]) -> int:
    """Checks that settled words stay; returns how many were settled before their final."""
    settled: list[dict[str, Any]] = []
    early = 0
    for message in received:
        if "words" not in message:
            continue
        words = message["words"]
        assert words[: len(settled)] == settled, "a settled word changed"
        flags = [word["intermed"] for word in words]
        assert flags == sorted(flags), "what follows a word that may change may change too"
        settled = [word for word in words if not word["intermed"]]
        if message["isFinal"]:
            settled = []
        else:
            early += bool(settled)
    return early
