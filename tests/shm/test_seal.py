from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shm.seal import CHECK, CorruptRecordError, check, check_index, seal

ROOM = 64


@given(st.binary(min_size=ROOM, max_size=ROOM), st.integers(0, 40), st.data())
def test_what_is_sealed_holds_and_what_is_changed_does_not(
    content: bytes, at: int, data: st.DataObject
) -> None:
    record = memoryview(bytearray(content))
    size = data.draw(st.integers(at + CHECK.size, ROOM))
    seal(record, at, size)
    check(record, at, size)
    assert record[:at] == content[:at]
    assert record[at + CHECK.size :] == content[at + CHECK.size :]
    record[data.draw(st.integers(0, size - 1))] ^= data.draw(st.integers(1, 255))
    with pytest.raises(CorruptRecordError, match="not as it was written"):
        check(record, at, size)


@given(st.integers(0, ROOM), st.integers(0, 2**64))
def test_a_size_beyond_the_record_is_refused(at: int, size: int) -> None:
    record = memoryview(bytearray(ROOM))
    if at + CHECK.size <= size <= ROOM:
        seal(record, at, size)
        check(record, at, size)
    else:
        with pytest.raises(CorruptRecordError, match="have room"):
            check(record, at, size)


def test_memory_that_nobody_has_written_is_not_sealed() -> None:
    with pytest.raises(CorruptRecordError):
        check(memoryview(bytes(ROOM)), 8, ROOM)


def test_an_index_is_the_one_that_was_asked_for() -> None:
    check_index(3, 3)
    with pytest.raises(CorruptRecordError, match="record 3 where 19 should be"):
        check_index(3, 19)
