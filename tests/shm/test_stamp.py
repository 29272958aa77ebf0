"""When a record was published is told beside it."""

from __future__ import annotations

import time

from shm import emissions, outbox
from shm.decoder_slot import DecoderSlot
from shm.doorbells import Doorbells
from shm.frontend_slot import FrontendSlot
from shm.layout import LINE_BYTES, RECORD_STAMP
from shm.outbox import ResumePoint
from shm.plane import Plane
from shm.stamp import earlier_of, stamp, stamp_of
from shm.trace import OF_EMISSION, OF_OUTBOX
from shm.worker_slot import WorkerSlot
from tests.shm.planes import emission, final


def test_a_record_tells_when_it_was_published() -> None:
    record = memoryview(bytearray(b"\xff" * 2 * LINE_BYTES))
    before = time.monotonic_ns()
    stamp(record)
    assert before <= stamp_of(record) <= time.monotonic_ns()
    touched = [index for index, byte in enumerate(record) if byte != 0xFF]
    assert touched
    assert touched[0] >= LINE_BYTES - 8
    assert touched[-1] < LINE_BYTES


def test_earlier_times_are_found_again_in_their_order() -> None:
    record = memoryview(bytearray(2 * LINE_BYTES))
    stamp(record, (11, 12, 13))
    assert earlier_of(record, 3) == (11, 12, 13)
    assert earlier_of(record, 2) == (11, 12)
    assert stamp_of(record) > 13


def test_no_header_reaches_the_times() -> None:
    assert emissions._HEADER.size <= RECORD_STAMP - 8 * OF_EMISSION
    assert outbox._HEADER.size <= RECORD_STAMP - 8 * OF_OUTBOX


def test_emissions_and_results_are_stamped_and_unharmed(plane: Plane, bells: Doorbells) -> None:
    frontend = FrontendSlot.begin(plane, bells, 0, frontend=0)
    worker, decoder = WorkerSlot(plane, bells, 0), DecoderSlot(plane, bells, 0)
    times = [time.monotonic_ns()]
    for number in range(2):
        written = emission(first_frame=4 * number)
        worker.publish(written, (1, 2, 3 + number))
        times.append(decoder.stepped_ns)
        assert (decoder.read().log_probs == written.log_probs).all()
        if number == 0:
            decoder.step_past()
    result = final("a b", resume=ResumePoint(1, 0, 0, 2, 0))
    decoder.publish(result)
    assert frontend.take() == result
    *chunk, stepped_ns, searched_ns, published_ns = frontend.taken_times_ns
    assert chunk == [1, 2, 4], "those of the record that the result came of"
    assert stepped_ns == times[-1]
    times += [searched_ns, published_ns]
    assert times == sorted(times)
    assert times[-1] <= time.monotonic_ns()


def test_a_result_that_is_held_was_searched_before(plane: Plane, bells: Doorbells) -> None:
    frontend = FrontendSlot.begin(plane, bells, 0, frontend=0)
    worker, decoder = WorkerSlot(plane, bells, 0), DecoderSlot(plane, bells, 0)
    worker.publish(emission())
    decoder.read()
    decoder.hold()
    held_ns = decoder.searched_ns
    decoder.publish(final("a", resume=ResumePoint(1, 0, 0, 1, 0)))
    decoder.step_past()
    assert frontend.take() is not None
    assert frontend.taken_times_ns[4] == held_ns
    assert decoder.searched_ns == 0, "the next record's search has not ended yet"
