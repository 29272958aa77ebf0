"""realtime_client/outgoing.py: messages, what is kept, what is sent again."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime_client.messages import Hypothesis, Word
from realtime_client.outgoing import DONE, HELD_S, OutgoingAudio, max_message_bytes

RATE_HZ = 8000
BYTES_PER_MS = 16
LIMIT = 2048
SECOND = bytes(1000 * BYTES_PER_MS)


def taken(outgoing: OutgoingAudio) -> list[bytes | str]:
    """All messages that wait."""
    messages = []
    while (message := outgoing.next_message()) is not None:
        messages.append(message)
    return messages


def audio_of(messages: list[bytes | str]) -> bytes:
    return b"".join(message for message in messages if isinstance(message, bytes))


def heard(*end_ms: int, is_final: bool = True) -> Hypothesis:
    words = tuple(Word("word", 0.5, end - 1, end, is_stable=is_final) for end in end_ms)
    return Hypothesis(" ".join("word" for _ in words), 0.5, is_final, words)


class TestMessages:
    @pytest.mark.parametrize(
        ("rate_hz", "limit"), [(8000, 2048), (16_000, 4096), (44_100, 11_288), (48_000, 12_288)]
    )
    def test_the_limit_is_the_servers(self, rate_hz: int, limit: int) -> None:
        assert max_message_bytes(rate_hz) == limit

    @given(st.lists(st.binary(max_size=5000), max_size=8), st.data())
    def test_any_division_of_the_audio_gives_the_same_audio(
        self, pieces: list[bytes], data: st.DataObject
    ) -> None:
        outgoing = OutgoingAudio(RATE_HZ)
        messages: list[bytes | str] = []
        for piece in pieces:
            outgoing.add(piece)
            if data.draw(st.booleans()):
                messages += taken(outgoing)
        messages += taken(outgoing)
        whole = b"".join(pieces)
        assert audio_of(messages) == whole[: len(whole) // 2 * 2]
        assert all(0 < len(message) <= LIMIT and len(message) % 2 == 0 for message in messages)
        assert outgoing.ends_mid_sample == (len(whole) % 2 == 1)
        assert outgoing.unsent_bytes == 0

    @given(st.binary(max_size=20_000), st.lists(st.integers(1, 5000)))
    def test_what_was_added_before_it_is_taken_is_cut_the_same(
        self, audio: bytes, sizes: list[int]
    ) -> None:
        at_once, in_pieces = OutgoingAudio(RATE_HZ), OutgoingAudio(RATE_HZ)
        at_once.add(audio)
        rest = audio
        for size in sizes:
            in_pieces.add(rest[:size])
            rest = rest[size:]
        in_pieces.add(rest)
        assert taken(in_pieces) == taken(at_once)

    def test_done_is_where_it_was_said(self) -> None:
        outgoing = OutgoingAudio(RATE_HZ)
        outgoing.add(bytes(LIMIT + 3))
        outgoing.add_done()
        outgoing.add(b"\x01ab")
        outgoing.add_done()
        outgoing.add_done()
        assert taken(outgoing) == [bytes(LIMIT), bytes(2), DONE, b"\x00\x01ab", DONE, DONE]

    def test_done_before_any_audio(self) -> None:
        outgoing = OutgoingAudio(RATE_HZ)
        outgoing.add_done()
        assert taken(outgoing) == [DONE]


class TestKeeping:
    def stream(self, seconds: int = 3) -> OutgoingAudio:
        outgoing = OutgoingAudio(RATE_HZ)
        outgoing.add(SECOND * seconds)
        taken(outgoing)
        return outgoing

    def test_everything_is_sent_again_when_nothing_was_heard(self) -> None:
        outgoing = self.stream()
        assert outgoing.rewind() == 0
        assert audio_of(taken(outgoing)) == SECOND * 3

    def test_a_final_covers_the_audio_up_to_its_last_word(self) -> None:
        outgoing = self.stream()
        outgoing.was_heard(heard(500, 1250))
        assert outgoing.finals_until_ms == 1250
        assert outgoing.rewind() == 1250
        assert len(audio_of(taken(outgoing))) == 1750 * BYTES_PER_MS

    def test_a_partial_covers_nothing(self) -> None:
        outgoing = self.stream()
        outgoing.was_heard(heard(1250, is_final=False))
        assert outgoing.finals_until_ms == 0
        assert outgoing.rewind() == 0

    def test_covering_never_goes_back_nor_past_what_was_sent(self) -> None:
        outgoing = self.stream()
        outgoing.was_heard(heard(2000))
        outgoing.was_heard(heard(1000))
        assert outgoing.rewind() == 2000
        taken(outgoing)
        outgoing.was_heard(heard(9999))
        assert outgoing.rewind() == 3000

    def test_what_was_not_sent_comes_after_what_is_sent_again(self) -> None:
        outgoing = OutgoingAudio(RATE_HZ)
        audio = bytes(range(256)) * 100
        outgoing.add(audio)
        first = outgoing.next_message()
        outgoing.rewind()
        assert outgoing.unsent_bytes == len(audio)
        assert audio_of(taken(outgoing)) == audio
        assert first == audio[:LIMIT]

    def test_an_unanswered_done_is_sent_again(self) -> None:
        outgoing = self.stream(1)
        outgoing.add_done()
        taken(outgoing)
        outgoing.rewind()
        assert taken(outgoing)[-1] == DONE

    def test_a_final_without_words_answers_done_and_covers_all_before(self) -> None:
        outgoing = self.stream(1)
        outgoing.add_done()
        outgoing.add(SECOND)
        taken(outgoing)
        outgoing.was_heard(heard())
        assert outgoing.finals_until_ms == 1000
        assert outgoing.rewind() == 1000
        assert taken(outgoing) == [*cut(SECOND)]

    def test_one_that_nobody_asked_for_covers_nothing(self) -> None:
        outgoing = self.stream()
        outgoing.was_heard(heard())
        assert outgoing.rewind() == 0

    def test_a_final_with_words_may_have_come_before_done(self) -> None:
        """Silence can have ended that utterance; only the audio is covered."""
        outgoing = self.stream(1)
        outgoing.add_done()
        taken(outgoing)
        outgoing.was_heard(heard(900))
        assert outgoing.rewind() == 900
        assert taken(outgoing) == [bytes(100 * BYTES_PER_MS), DONE]

    @pytest.mark.parametrize("is_final", [False, True])
    def test_a_word_after_done_says_that_it_was_answered(self, is_final: bool) -> None:
        outgoing = self.stream(1)
        outgoing.add_done()
        outgoing.add(SECOND)
        taken(outgoing)
        outgoing.was_heard(heard(1500, is_final=is_final))
        assert outgoing.rewind() == (1500 if is_final else 1000)
        assert DONE not in taken(outgoing)

    def test_a_word_that_ends_at_done_does_not(self) -> None:
        outgoing = self.stream(1)
        outgoing.add_done()
        taken(outgoing)
        outgoing.was_heard(heard(1000))
        outgoing.rewind()
        assert taken(outgoing) == [DONE]

    def test_a_done_that_was_not_sent_is_not_answered(self) -> None:
        outgoing = self.stream(1)
        outgoing.add_done()
        outgoing.was_heard(heard())
        assert taken(outgoing) == [DONE]

    def test_silence_is_forgotten_in_time(self) -> None:
        outgoing = self.stream(HELD_S + 10)
        assert outgoing.rewind() == 0
        taken(outgoing)
        outgoing.was_read((HELD_S + 10) * 1000 * BYTES_PER_MS)
        assert outgoing.kept_bytes == HELD_S * 1000 * BYTES_PER_MS
        assert outgoing.finals_until_ms == 0
        assert outgoing.rewind() == 10_000

    def test_progress_is_what_was_read_or_covered_and_never_goes_back(self) -> None:
        outgoing = self.stream()
        assert outgoing.progress == 0
        outgoing.was_heard(heard(500))
        assert outgoing.progress == 500 * BYTES_PER_MS
        outgoing.was_read(2000 * BYTES_PER_MS)
        outgoing.rewind()
        taken(outgoing)
        outgoing.was_read(1000 * BYTES_PER_MS)
        outgoing.was_heard(heard(1500))
        assert outgoing.progress == 2000 * BYTES_PER_MS

    def test_with_the_dones_in_it(self) -> None:
        outgoing = OutgoingAudio(RATE_HZ)
        outgoing.add_done()
        outgoing.add(SECOND * (HELD_S + 1))
        taken(outgoing)
        outgoing.was_read(outgoing.sent)
        outgoing.rewind()
        assert DONE not in taken(outgoing)


@given(st.lists(st.tuples(
    st.sampled_from(["add", "take", "done", "lose", "final", "partial", "empty"]),
    st.integers(0, 600),
), max_size=40))  # fmt: skip
def test_nothing_uncovered_is_ever_missing(steps: list[tuple[str, int]]) -> None:
    """Whatever happens: each connection gets the stream from its start on, without a gap."""
    outgoing = OutgoingAudio(RATE_HZ)
    stream, received, since_ms, covered_ms, dones = b"", b"", 0, 0, 0
    for step, amount in steps:
        if step == "add":
            piece = bytes([len(stream) % 251]) * (amount * BYTES_PER_MS)
            stream += piece
            outgoing.add(piece)
        elif step == "take":
            message = outgoing.next_message()
            received += message if isinstance(message, bytes) else b""
            dones += message == DONE
        elif step == "done":
            outgoing.add_done()
        elif step == "lose":
            since_ms, received = outgoing.rewind(), b""
            assert since_ms <= covered_ms
        else:
            until_ms = since_ms + len(received) // BYTES_PER_MS
            end_ms = min(since_ms + amount, until_ms)
            if step == "empty":
                covered_ms = until_ms if dones else covered_ms
                outgoing.was_heard(heard())
            elif end_ms:
                if step == "final" or dones:
                    covered_ms = max(covered_ms, end_ms)
                outgoing.was_heard(heard(end_ms, is_final=step == "final"))
        assert received == stream[since_ms * BYTES_PER_MS :][: len(received)]
    received += audio_of(taken(outgoing))
    assert received == stream[since_ms * BYTES_PER_MS :]


def cut(audio: bytes) -> list[bytes]:
    return [audio[start : start + LIMIT] for start in range(0, len(audio), LIMIT)]


# -- the same session on a new connection


def test_a_session_goes_on_where_the_server_says() -> None:
    outgoing = OutgoingAudio(8000)
    outgoing.add(bytes(range(10)))
    outgoing.add_done()
    outgoing.add(bytes(range(10, 20)))
    outgoing.add_done()
    everything = [bytes(range(10)), "done", bytes(range(10, 20)), "done"]
    for audio_bytes, dones, again in (
        (0, 0, everything), (4, 0, [bytes(range(4, 10)), *everything[1:]]),
        (10, 0, everything[1:]), (10, 1, everything[2:]), (16, 1, [bytes(range(16, 20)), "done"]),
        (20, 1, ["done"]), (20, 2, []),
    ):  # fmt: skip
        taken(outgoing)
        assert outgoing.go_on(audio_bytes, dones)
        assert taken(outgoing) == again


def test_positions_are_those_of_the_session() -> None:
    outgoing = OutgoingAudio(8000)
    outgoing.add(bytes(1600) + bytes(range(100)))
    outgoing.add_done()
    taken(outgoing)
    outgoing.was_heard(heard(100))
    assert outgoing.rewind() == 100
    taken(outgoing)
    assert outgoing.go_on(40, 0)
    assert taken(outgoing) == [bytes(range(40, 100)), "done"]


@pytest.mark.parametrize(("audio_bytes", "dones"), [(11, 0), (-1, 0), (10, 2), (10, -1)])
def test_a_server_cannot_have_what_was_not_sent(audio_bytes: int, dones: int) -> None:
    outgoing = OutgoingAudio(8000)
    outgoing.add(bytes(10))
    outgoing.add_done()
    taken(outgoing)
    assert not outgoing.go_on(audio_bytes, dones)
    assert taken(outgoing) == []
