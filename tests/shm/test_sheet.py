from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shm.layout import SHEET_BYTES
from shm.seal import CorruptRecordError
from shm.sheet import MOST_BYTES, read_sheet, write_sheet


def sheet() -> memoryview:
    return memoryview(bytearray(SHEET_BYTES))


@given(st.integers(1, 2**64 - 1), st.binary(max_size=MOST_BYTES))
def test_what_was_written_for_a_session_is_read_in_it(epoch: int, text: bytes) -> None:
    buffer = sheet()
    assert read_sheet(buffer, epoch) is None
    write_sheet(buffer, epoch, text)
    assert read_sheet(buffer, epoch) == text
    assert read_sheet(buffer, epoch ^ 2) is None, "another session's"


@given(st.binary(min_size=1, max_size=40), st.data())
def test_a_change_is_found_out(text: bytes, data: st.DataObject) -> None:
    buffer = sheet()
    write_sheet(buffer, 7, text)
    at = data.draw(st.integers(8, 15 + len(text)))  # the epoch's own bytes are another session's
    buffer[at] ^= data.draw(st.integers(1, 255))
    with pytest.raises(CorruptRecordError):
        read_sheet(buffer, 7)


def test_more_than_it_holds_is_our_mistake() -> None:
    with pytest.raises(AssertionError, match="short"):
        write_sheet(sheet(), 1, bytes(MOST_BYTES + 1))
