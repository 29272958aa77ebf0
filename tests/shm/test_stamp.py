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
from shm.stamp import stamp, stamp_of
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


def test_no_header_reaches_the_stamp() -> None:
    assert emissions._HEADER.size <= RECORD_STAMP
    assert outbox._HEADER.size <= RECORD_STAMP


def test_emissions_and_results_are_stamped_and_unharmed(plane: Plane, bells: Doorbells) -> None:
    frontend = FrontendSlot(plane, bells, 0, frontend=0)
    worker, decoder = WorkerSlot(plane, bells, 0), DecoderSlot(plane, bells, 0)
    times = [time.monotonic_ns()]
    for number in range(2):
        written = emission(first_frame=4 * number)
        worker.publish(written)
        times.append(decoder.stepped_ns)
        assert (decoder.read().log_probs == written.log_probs).all()
        decoder.step_past()
    result = final("a b", resume=ResumePoint(1, 0, 0, 2, 0))
    decoder.publish(result)
    assert frontend.take() == result
    times.append(frontend.taken_stamp_ns)
    assert times == sorted(times)
    assert times[-1] <= time.monotonic_ns()
