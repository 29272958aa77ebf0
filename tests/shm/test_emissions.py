from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from shm import emissions as emissions_module
from shm.emissions import Emission, SegmentEnd, ends_segment, read_emission, write_emission
from shm.layout import LINE_BYTES
from shm.seal import CorruptRecordError, seal
from tests.shm.planes import SMALL, emission

u64 = st.integers(0, 2**64 - 1)
emissions = st.builds(
    Emission,
    epoch=u64,
    segment=u64,
    segment_start_sample=u64,
    first_frame=u64,
    covered_sample=u64,
    heard_sample=u64,
    end=st.sampled_from(SegmentEnd),
    next_sample=u64,
    next_mark=u64,
    has_speech=st.booleans(),
    log_probs=arrays(
        np.float32,
        st.tuples(st.integers(0, 4), st.just(5)),
        elements=st.floats(max_value=0, width=32, allow_nan=False),
    ),
)


def record() -> memoryview:
    return memoryview(bytearray(SMALL.emission_record_bytes))


@given(written=emissions, index=u64)
def test_a_record_reads_as_it_was_written(written: Emission, index: int) -> None:
    buffer = record()
    write_emission(buffer, index, written)
    found = read_emission(buffer, index)
    for field in fields(Emission):
        if field.name != "log_probs":
            assert getattr(found, field.name) == getattr(written, field.name), field.name
    assert found.log_probs.shape == written.log_probs.shape
    assert np.array_equal(found.log_probs, written.log_probs)


def test_a_whole_chunk_of_any_model_fits_its_record() -> None:
    wide = replace(SMALL, chunk_frames=7, vocabulary_size=1025)
    buffer = memoryview(bytearray(wide.emission_record_bytes))
    log_probs = np.full((7, 1025), -1.5, np.float32)
    write_emission(buffer, 0, replace(emission(), log_probs=log_probs))
    assert np.array_equal(read_emission(buffer, 0).log_probs, log_probs)


def test_log_probabilities_of_any_stride_are_written_in_order() -> None:
    buffer = record()
    strided = np.arange(40, dtype=np.float32).reshape(5, 8).T[:4]
    write_emission(buffer, 0, replace(emission(), log_probs=strided))
    assert np.array_equal(read_emission(buffer, 0).log_probs, strided)


def test_what_is_read_is_a_view_of_the_record() -> None:
    buffer = record()
    write_emission(buffer, 3, emission())
    found = read_emission(buffer, 3)
    buffer[LINE_BYTES:] = bytes(len(buffer) - LINE_BYTES)
    assert not found.log_probs.any()


def test_a_record_of_another_index_is_not_believed() -> None:
    buffer = record()
    write_emission(buffer, 3, emission())
    with pytest.raises(CorruptRecordError, match="record 3 where"):
        read_emission(buffer, 3 + SMALL.emission_records)


@given(written=emissions, change=st.data())
def test_a_change_of_any_byte_is_found_out(written: Emission, change: st.DataObject) -> None:
    buffer = record()
    write_emission(buffer, 5, written)
    at = change.draw(st.integers(0, LINE_BYTES + written.log_probs.nbytes - 1))
    buffer[at] ^= change.draw(st.integers(1, 255))
    ends_segment(buffer)
    with pytest.raises(CorruptRecordError):
        read_emission(buffer, 5)


@given(st.binary(max_size=400))
def test_whatever_lies_in_a_record_is_refused(noise: bytes) -> None:
    buffer = record()
    buffer[: len(noise)] = noise[: len(buffer)]
    ends_segment(buffer)
    with pytest.raises(CorruptRecordError):
        read_emission(buffer, int.from_bytes(noise[:8], "little"))


def test_more_frames_than_a_record_holds_are_not_read_from_the_next() -> None:
    ring = memoryview(bytearray(2 * SMALL.emission_record_bytes))
    write_emission(ring, 5, emission())
    seal(ring, emissions_module._HEADER.size, len(ring))
    ring[80:88] = (1000 << 32 | 5).to_bytes(8, "little")
    with pytest.raises(CorruptRecordError, match="have room"):
        read_emission(ring[: SMALL.emission_record_bytes], 5)


@pytest.mark.parametrize("end", SegmentEnd)
def test_whether_a_segment_ends_is_told_without_the_rest(end: SegmentEnd) -> None:
    buffer = record()
    write_emission(buffer, 0, replace(emission(), end=end))
    assert ends_segment(buffer) is (end is not SegmentEnd.NONE)


def test_more_frames_than_a_chunk_do_not_run_into_the_next_record() -> None:
    with pytest.raises(ValueError, match="buffer"):
        write_emission(record(), 0, emission(frames=40))
