from __future__ import annotations

import math
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shm.heard import MAX_HEARD_S, Heard, read_heard, write_heard
from shm.layout import ANSWER_BYTES, MAX_SEGMENT_S
from shm.seal import CorruptRecordError, seal

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
log_probs = st.floats(allow_nan=False)
hypotheses = st.lists(st.builds(Heard, texts, log_probs), max_size=8)


def buffer(size: int = ANSWER_BYTES) -> memoryview:
    """Memory that still holds something of before."""
    return memoryview(bytearray(b"\xff" * size))


def reread(*heard: Heard, size: int = ANSWER_BYTES) -> tuple[Heard, ...]:
    memory = buffer(size)
    write_heard(memory, heard)
    return read_heard(memory)


def packed_bytes(heard: list[Heard]) -> int:
    """Of an answer: count, size, seal; per hypothesis a log-probability, a length, the text."""
    return 12 + sum(8 + 4 + len(hypothesis.text.encode()) for hypothesis in heard)


@given(heard=hypotheses)
def test_hypotheses_read_as_they_were_written(heard: list[Heard]) -> None:
    assert reread(*heard) == tuple(heard)


@pytest.mark.parametrize("text", ["", "it's", "naïve", "čeština", "日本語", "e\u0301", "🎙️", "\0"])
def test_words_of_any_script(text: str) -> None:
    heard = (Heard(text, -1.25), Heard("after", -2.5))
    assert reread(*heard) == heard


@pytest.mark.parametrize("log_prob", [0.0, -0.1, -1e-300, -1e300, -math.inf])
def test_log_probabilities_keep_every_bit(log_prob: float) -> None:
    (found,) = reread(Heard("word", log_prob))
    assert struct.pack("<d", found.log_prob) == struct.pack("<d", log_prob)


def test_to_hear_nothing_is_an_answer() -> None:
    assert reread() == ()


@given(heard=hypotheses, size=st.integers(12, 200))
def test_a_full_buffer_keeps_the_best(heard: list[Heard], size: int) -> None:
    """As many of the first as fit, whole, and not one fewer."""
    found = reread(*heard, size=size)
    kept = len(found)
    assert found == tuple(heard[:kept])
    assert kept == len(heard) or packed_bytes(heard[: kept + 1]) > size


@given(heard=hypotheses.filter(bool))
def test_a_buffer_is_filled_to_its_last_byte_and_no_further(heard: list[Heard]) -> None:
    exactly = packed_bytes(heard)
    assert reread(*heard, size=exactly) == tuple(heard)
    memory = buffer(exactly + 16)
    write_heard(memory[: exactly - 1], heard)
    assert read_heard(memory) == tuple(heard[:-1])
    assert memory[exactly - 1 :] == b"\xff" * 17


def test_a_shorter_answer_over_a_longer_one_keeps_nothing_of_it() -> None:
    memory = buffer()
    write_heard(memory, [Heard("one two three", -1.0), Heard("one two", -2.0)])
    write_heard(memory, [Heard("four", -3.0)])
    assert read_heard(memory) == (Heard("four", -3.0),)


def test_nothing_of_what_was_read_refers_to_the_buffer() -> None:
    memory = buffer()
    write_heard(memory, [Heard("kept", -1.0)])
    found = read_heard(memory)
    memory[:] = bytes(len(memory))
    assert found == (Heard("kept", -1.0),)


def test_five_hypotheses_of_the_longest_segment_fit_an_answer() -> None:
    """25 characters a second are more than anybody speaks."""
    heard = [Heard("a" * 25 * MAX_HEARD_S, -1.0)] * 5
    assert reread(*heard) == tuple(heard)
    assert MAX_HEARD_S > MAX_SEGMENT_S


@given(heard=hypotheses, change=st.data())
def test_a_change_of_any_byte_is_found_out(heard: list[Heard], change: st.DataObject) -> None:
    memory = buffer()
    write_heard(memory, heard)
    size = int.from_bytes(memory[4:8], "little")
    memory[change.draw(st.integers(0, size - 1))] ^= change.draw(st.integers(1, 255))
    with pytest.raises(CorruptRecordError):
        read_heard(memory)


@given(st.binary(max_size=300), st.integers(0, 2**32 - 1))
def test_whatever_lies_in_an_answer_is_read_or_refused(noise: bytes, count: int) -> None:
    memory = buffer()
    memory[: len(noise)] = noise
    with pytest.raises(CorruptRecordError):
        read_heard(memory)
    memory[:8] = struct.pack("<II", count, len(noise) + 12)
    seal(memory, 8, len(noise) + 12)
    try:
        read_heard(memory)
    except CorruptRecordError:
        return
    assert count * 12 <= ANSWER_BYTES
