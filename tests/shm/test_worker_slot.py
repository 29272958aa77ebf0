from __future__ import annotations

import numpy as np
import pytest

from shm import layout
from shm.audio_ring import Samples
from shm.decoder_slot import DecoderSlot
from shm.doorbells import Doorbells
from shm.emissions import read_emission
from shm.frontend_slot import FrontendSlot
from shm.outbox import ResumePoint
from shm.plane import Plane
from shm.worker_slot import WorkerSlot
from tests.shm.planes import SMALL, emission, final, samples, was_rung
from tests.shm.watched_plane import WatchedPlane

RING = SMALL.ring_samples


@pytest.fixture
def frontend(plane: Plane, bells: Doorbells) -> FrontendSlot:
    return FrontendSlot.begin(plane, bells, 1, frontend=0)


@pytest.fixture
def worker(plane: Plane, bells: Doorbells, frontend: FrontendSlot) -> WorkerSlot:
    return WorkerSlot(plane, bells, 1)


@pytest.fixture
def decoder(plane: Plane, bells: Doorbells, frontend: FrontendSlot) -> DecoderSlot:
    return DecoderSlot(plane, bells, 1)


def settle(
    decoder: DecoderSlot, epoch: int, sample: int, marks: int = 0, emissions: int = 0
) -> None:
    decoder.publish(final(epoch=epoch, resume=ResumePoint(1, sample, marks, emissions, sample)))


def test_audio_and_marks_arrive(frontend: FrontendSlot, worker: WorkerSlot) -> None:
    assert (worker.audio_head, worker.mark_at(0)) == (0, None)
    frontend.write_audio(samples(1, 2, 3))
    frontend.write_mark()
    frontend.write_audio(samples(4))
    assert (worker.audio_head, worker.mark_at(0), worker.mark_at(1)) == (4, 3, None)


def test_the_session_is_seen(frontend: FrontendSlot, worker: WorkerSlot) -> None:
    assert worker.epoch == frontend.epoch
    session = worker.session()
    assert session is not None
    assert worker.resume_point(session) == ResumePoint.of_session(0, 0)
    frontend.end_session()
    assert worker.session() is None


def test_audio_is_copied_around_the_rings_end(
    frontend: FrontendSlot, worker: WorkerSlot, decoder: DecoderSlot
) -> None:
    frontend.write_audio(np.zeros(RING - 2, np.int16))
    settle(decoder, frontend.epoch, RING - 2)
    frontend.write_audio(samples(1, 2, 3, 4))
    out = np.zeros(4, np.int16)
    assert worker.copy_audio(frontend.epoch, RING - 2, 0, RING - 2, out)
    assert out.tolist() == [1, 2, 3, 4]


def test_audio_before_a_commit_past_the_segments_start_is_not_trusted(
    frontend: FrontendSlot, worker: WorkerSlot, decoder: DecoderSlot
) -> None:
    frontend.write_audio(samples(*range(20)))
    out = np.zeros(5, np.int16)
    settle(decoder, frontend.epoch, 10)
    assert worker.copy_audio(frontend.epoch, 10, 0, 12, out), "the segment that begins there is"
    assert not worker.copy_audio(frontend.epoch, 9, 0, 12, out)


def test_audio_of_an_empty_segment_that_was_settled_is_not_trusted(
    frontend: FrontendSlot, worker: WorkerSlot, decoder: DecoderSlot
) -> None:
    """It ends at the sample where it starts: what shows is that its mark has been answered."""
    frontend.write_audio(samples(*range(20)))
    settle(decoder, frontend.epoch, 10, marks=3)
    out = np.zeros(5, np.int16)
    assert worker.copy_audio(frontend.epoch, 10, 3, 12, out)
    assert not worker.copy_audio(frontend.epoch, 10, 2, 12, out)


def test_another_sessions_audio_is_not_trusted(frontend: FrontendSlot, worker: WorkerSlot) -> None:
    frontend.write_audio(samples(*range(20)))
    assert not worker.copy_audio(frontend.epoch + 2, 0, 0, 0, np.zeros(5, np.int16))
    frontend.end_session()
    assert not worker.copy_audio(frontend.epoch, 0, 0, 0, np.zeros(5, np.int16))


def test_what_was_overwritten_before_the_copy_is_found_out_after_it(
    plane: Plane,
    bells: Doorbells,
    frontend: FrontendSlot,
    decoder: DecoderSlot,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Rule R4: checked before the copy alone, the worker would take the new audio for the old."""
    frontend.write_audio(np.full(RING, 1, np.int16))
    worker = WorkerSlot(plane, bells, 1)
    copied: list[int] = []

    def copy_when_overwritten(ring: Samples, start: int, out: Samples) -> None:
        settle(decoder, frontend.epoch, RING // 2)
        frontend.write_audio(np.full(RING // 2, 2, np.int16))
        out[:] = ring[start : start + out.shape[0]]
        copied.extend(out.tolist())

    monkeypatch.setattr("shm.worker_slot.copy_out", copy_when_overwritten)
    assert not worker.copy_audio(frontend.epoch, 0, 0, 0, np.zeros(3, np.int16))
    assert copied == [2, 2, 2], "what was copied is not what was asked for"


def test_an_emission_is_published_after_it_is_written(
    plane: Plane, bells: Doorbells, frontend: FrontendSlot
) -> None:
    """At the store of the head the whole record already stands in the ring."""
    seen: list[int] = []

    def look(access: str) -> None:
        if access == "store":
            buffer = plane.bytes(plane.layout.emission_record(1, 0), SMALL.emission_record_bytes)
            seen.append(read_emission(buffer, 0).covered_sample)

    worker = WorkerSlot(WatchedPlane(plane, look), bells, 1)
    published = emission(epoch=frontend.epoch)
    worker.publish(published)
    assert seen
    assert set(seen) == {published.covered_sample}
    assert plane.line(plane.layout.worker_line(1))[layout.SLOT_POSITION_SAMPLES] == 40


def test_a_published_emission_reaches_the_decoder_and_rings_its_bell(
    worker: WorkerSlot, decoder: DecoderSlot, bells: Doorbells
) -> None:
    worker.publish(emission(first_frame=4))
    assert was_rung(bells.decoder_of(1))
    assert decoder.has_emission
    assert decoder.read().first_frame == 4


def test_room_counts_from_the_commit(
    worker: WorkerSlot, decoder: DecoderSlot, frontend: FrontendSlot
) -> None:
    for _ in range(SMALL.emission_records):
        assert worker.has_room
        worker.publish(emission())
    assert not worker.has_room
    with pytest.raises(AssertionError, match="never overwritten"):
        worker.publish(emission())
    decoder.step_past()
    assert not worker.has_room, "a replay of the segment would need the record"
    settle(decoder, frontend.epoch, 40, emissions=1)
    assert worker.has_room


def test_a_successor_goes_on_at_the_head(
    plane: Plane, bells: Doorbells, worker: WorkerSlot, decoder: DecoderSlot
) -> None:
    worker.publish(emission(first_frame=0))
    WorkerSlot(plane, bells, 1).publish(emission(first_frame=4))
    assert decoder.read().first_frame == 0
    decoder.step_past()
    assert decoder.read().first_frame == 4
