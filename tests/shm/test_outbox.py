from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shm import outbox
from shm.layout import LINE_BYTES, OUTBOX_RECORD_BYTES
from shm.outbox import OutboxRecord, ResumePoint, read_outbox, write_outbox
from shm.records import Hypothesis, Word
from shm.seal import CorruptRecordError, seal

u64 = st.integers(0, 2**64 - 1)
confidences = st.floats(0, 1, width=32)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
words = st.builds(Word, texts, confidences, u64, u64, st.booleans())
records = st.builds(
    OutboxRecord,
    epoch=u64,
    hypothesis=st.builds(
        Hypothesis, st.lists(words, max_size=30).map(tuple), confidences, st.booleans()
    ),
    requested=st.booleans(),
    resume=st.builds(ResumePoint, u64, u64, u64, u64, u64),
)
RESUME = ResumePoint(1, 2, 3, 4, 5)


def buffer() -> memoryview:
    return memoryview(bytearray(OUTBOX_RECORD_BYTES))


def of_words(*texts: str) -> OutboxRecord:
    spoken = tuple(Word(text, 0.25, 10, 20, False) for text in texts)
    return OutboxRecord(7, Hypothesis(spoken, 0.5, False), False, RESUME)


@given(record=records, index=u64)
def test_a_record_reads_as_it_was_written(record: OutboxRecord, index: int) -> None:
    memory = buffer()
    write_outbox(memory, index, record)
    assert read_outbox(memory, index) == record


@pytest.mark.parametrize("text", ["naïve", "čeština", "日本語", "⁇", "it's", "e\u0301", "🎙️"])
def test_words_of_any_script(text: str) -> None:
    memory = buffer()
    write_outbox(memory, 0, of_words(text, "after"))
    assert read_outbox(memory, 0) == of_words(text, "after")


def test_a_shorter_record_over_a_longer_one_keeps_nothing_of_it() -> None:
    memory = buffer()
    write_outbox(memory, 0, of_words("one", "two", "three"))
    write_outbox(memory, 16, of_words("four"))
    assert read_outbox(memory, 16) == of_words("four")


def test_nothing_of_what_was_read_refers_to_the_record() -> None:
    memory = buffer()
    write_outbox(memory, 0, of_words("kept"))
    found = read_outbox(memory, 0)
    memory[:] = bytes(len(memory))
    assert found == of_words("kept")


def test_the_longest_utterance_of_characters_fits() -> None:
    """20 s of 40 ms frames: a letter and a space in turn is the most words, 250."""
    memory = buffer()
    longest = of_words(*["a"] * 250)
    write_outbox(memory, 0, longest)
    assert read_outbox(memory, 0) == longest


def test_a_record_is_filled_to_its_last_byte_and_no_further() -> None:
    header_of_a_word = 24
    room = OUTBOX_RECORD_BYTES - LINE_BYTES - header_of_a_word
    memory = buffer()
    write_outbox(memory, 0, of_words("a" * room))
    assert read_outbox(memory, 0) == of_words("a" * room)
    with pytest.raises(AssertionError, match="fits a record"):
        write_outbox(memory, 1, of_words("a" * (room + 1)))


def test_a_record_of_another_index_is_not_believed() -> None:
    memory = buffer()
    write_outbox(memory, 3, of_words("word"))
    with pytest.raises(CorruptRecordError, match="record 3 where 19 should be"):
        read_outbox(memory, 19)


@given(record=records, change=st.data())
def test_a_change_of_any_byte_is_found_out(record: OutboxRecord, change: st.DataObject) -> None:
    memory = buffer()
    write_outbox(memory, 5, record)
    written = memory[: LINE_BYTES + 8].tobytes()
    size = int.from_bytes(written[68:72], "little")
    at = change.draw(st.integers(0, size - 1))
    memory[at] ^= change.draw(st.integers(1, 255))
    with pytest.raises(CorruptRecordError):
        read_outbox(memory, 5)


@given(record=records, noise=st.binary(min_size=1, max_size=200), at=st.integers(0, 4000))
def test_noise_over_a_record_is_found_out_or_was_not_in_it(
    record: OutboxRecord, noise: bytes, at: int
) -> None:
    memory = buffer()
    write_outbox(memory, 5, record)
    memory[at : at + len(noise)] = noise
    try:
        assert read_outbox(memory, 5) == record
    except CorruptRecordError:
        assert at < OUTBOX_RECORD_BYTES


@given(st.binary(max_size=600))
def test_whatever_lies_in_a_record_is_read_or_refused(noise: bytes) -> None:
    memory = buffer()
    memory[: len(noise)] = noise
    with pytest.raises(CorruptRecordError):
        read_outbox(memory, int.from_bytes(noise[:8], "little"))


@given(st.integers(0, 2**32 - 1), st.binary(max_size=300))
def test_a_seal_over_what_no_writer_wrote_raises_nothing_else(count: int, noise: bytes) -> None:
    """Words beyond the record, and texts that are none."""
    memory = buffer()
    write_outbox(memory, 5, of_words("word"))
    memory[LINE_BYTES : LINE_BYTES + len(noise)] = noise
    memory[64:72] = struct.pack("<II", count, LINE_BYTES + len(noise))
    seal(memory, outbox._HEADER.size, LINE_BYTES + len(noise))
    try:
        read_outbox(memory, 5)
    except CorruptRecordError:
        return
    assert count * 24 <= len(noise)


def test_a_sessions_resume_point_is_its_base() -> None:
    assert ResumePoint.of_session(1200, 3) == ResumePoint(
        segment=0, sample=1200, mark=3, emission=0, partial_sample=1200
    )
