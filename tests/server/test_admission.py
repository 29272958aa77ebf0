"""What the frontend counts of its streams, over real slots of a plane."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace

import pytest

from server import admission
from server.admission import (
    FINAL_LATE_NS,
    Admission,
    FrontendFigures,
    MeasuredSlot,
    NoSlotError,
    capacity_of,
)
from server.capacity import Capacity
from shm import figures
from shm.arrivals import Arrivals
from shm.decoder_slot import DecoderSlot
from shm.doorbells import Doorbells
from shm.figures import Block, Distribution, Histogram
from shm.layout import PARTIALS_QUICK, SLOT_POSITION_SAMPLES
from shm.link_line import LinkLine
from shm.outbox import ResumePoint
from shm.plane import Plane
from shm.process_line import ProcessLine
from shm.session import SessionReader
from shm.slot_pool import SlotPool
from shm.trace import found_in
from shm.worker_slot import WorkerSlot
from tests.shm.planes import SMALL, emission, final, samples


@pytest.fixture
def plane() -> Iterator[Plane]:
    plane = Plane.create(SMALL)
    yield plane
    plane.close()


@pytest.fixture
def bells() -> Iterator[Doorbells]:
    bells = Doorbells.create(SMALL)
    yield bells
    bells.close()


class Clock:
    """`time.monotonic_ns` as a test has it."""

    def __init__(self) -> None:
        self.now_ns = 1_000_000_000

    def monotonic_ns(self) -> int:
        return self.now_ns

    def monotonic(self) -> float:
        return self.now_ns / 1e9


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(admission, "time", clock)
    monkeypatch.setattr("shm.stamp.time", clock)
    return clock


@pytest.fixture
def let_in(plane: Plane, bells: Doorbells) -> Admission:
    return Admission(plane, SlotPool(plane, bells, 0), FrontendFigures(plane, 0))


def counted(plane: Plane, figure: figures.Counter) -> list[int]:
    return Block(plane, "frontend", plane.layout.frontend_process(0)).read(figure)


def refused(plane: Plane) -> dict[str, int]:
    """How many for which reason."""
    counts = zip(figures.REFUSED.values, counted(plane, figures.REFUSED), strict=True)
    return {reason: count for reason, count in counts if count}


def timed(plane: Plane, figure: Histogram) -> Distribution:
    block = Block(plane, "frontend", plane.layout.frontend_process(0))
    return Distribution.of(figure, block.read(figure))


def claimed(let_in: Admission) -> MeasuredSlot:
    return let_in.claim()


def test_who_is_let_in_and_who_is_not(plane: Plane, let_in: Admission) -> None:
    slots = [claimed(let_in) for _ in range(3)]
    with pytest.raises(NoSlotError, match="All streams are in use"):
        let_in.claim()
    for slot in slots:
        let_in.release(slot)
    claimed(let_in)
    let_in.refuse("parameter")
    assert counted(plane, figures.ADMITTED) == [4]
    assert refused(plane) == {"full": 1, "parameter": 1}


def test_audio_is_counted_and_its_arrival_noted(
    plane: Plane, let_in: Admission, clock: Clock
) -> None:
    slot = claimed(let_in)
    slot.write_audio(samples(*range(25)))
    clock.now_ns += 300
    slot.received()
    clock.now_ns += 200
    slot.write_audio(samples(*range(25)))
    assert counted(plane, figures.AUDIO_RECEIVED) == [500_000]  # 50 samples at 100 Hz
    arrivals = Arrivals(plane, slot.slot)
    assert arrivals.of(20) == (1_000_000_000, 1_000_000_000)
    assert arrivals.of(50) == (1_000_000_300, 1_000_000_500)


def test_a_final_that_was_asked_for_is_timed_from_its_mark(
    plane: Plane, bells: Doorbells, let_in: Admission, clock: Clock
) -> None:
    slot = claimed(let_in)
    decoder = DecoderSlot(plane, bells, slot.slot)
    epoch = slot.measured.epoch
    slot.write_mark()
    clock.now_ns += 1_000_000_000
    slot.write_mark()
    clock.now_ns += 2_000_000_000
    for number in (1, 2):
        resume = ResumePoint(number, 0, number, 0, 0)
        decoder.publish(final(epoch=epoch, resume=resume, requested=True))
    clock.now_ns += 7_000_000
    assert slot.take() is not None
    assert slot.take() is not None
    assert slot.take() is None
    slot.sent(2, 0)
    assert timed(plane, figures.DONE_TO_FINAL).sum == pytest.approx(3.007 + 2.007)
    assert timed(plane, figures.PUBLISHED_TO_SENT).sum == pytest.approx(2 * 0.007)
    assert timed(plane, figures.PUBLISHED_TO_SENT).count == 2


def test_a_final_that_waits_for_its_client_is_not_timed(
    plane: Plane, bells: Doorbells, let_in: Admission, clock: Clock
) -> None:
    slot = claimed(let_in)
    decoder = DecoderSlot(plane, bells, slot.slot)
    for number in (1, 2):
        slot.write_mark()
        resume = ResumePoint(number, 0, number, 0, 0)
        decoder.publish(final(epoch=slot.measured.epoch, resume=resume, requested=True))
        assert slot.take() is not None
        if number == 1:
            slot.kept()
            clock.now_ns += 60_000_000_000
    clock.now_ns += 5_000_000
    slot.sent(2, 0)
    assert timed(plane, figures.DONE_TO_FINAL).count == 1
    assert timed(plane, figures.DONE_TO_FINAL).sum == pytest.approx(0.005)
    assert timed(plane, figures.PUBLISHED_TO_SENT).count == 1


def test_a_chunk_s_times_are_left_for_whoever_looks(
    plane: Plane, bells: Doorbells, let_in: Admission, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shm.decoder_slot.time", clock)
    slot = claimed(let_in)
    epoch, line = slot.measured.epoch, plane.line(plane.layout.frontend_line(slot.slot))
    worker, decoder = WorkerSlot(plane, bells, slot.slot), DecoderSlot(plane, bells, slot.slot)
    decoder.publish(final(epoch=epoch, resume=ResumePoint(1, 0, 0, 0, 0)))
    slot.take()
    slot.sent(1, 0)
    assert found_in(line) is None, "nothing was stepped for it"
    began_ns = clock.now_ns
    clock.now_ns += 20
    worker.publish(emission(epoch=epoch), (began_ns, began_ns + 5, began_ns + 9))
    clock.now_ns += 30
    decoder.read()
    decoder.hold()
    clock.now_ns += 40
    decoder.publish(final(epoch=epoch, resume=ResumePoint(2, 0, 0, 0, 0)))
    clock.now_ns += 50
    slot.take()
    slot.sent(2, 0)
    assert found_in(line) == tuple(began_ns + after for after in (0, 5, 9, 20, 50, 90, 140))


def test_answers_are_counted_as_they_are_sent(plane: Plane, let_in: Admission) -> None:
    one, other = claimed(let_in), claimed(let_in)
    one.sent(0, 1)
    other.sent(0, 1)
    other.sent(2, 1)
    other.sent(3, 4)
    assert counted(plane, figures.PARTIALS) == [1 + 4]
    assert counted(plane, figures.FINALS) == [3]


# -- where the model is on other machines


@pytest.fixture
def link(plane: Plane) -> LinkLine:
    """A link that is connected to nobody yet."""
    ProcessLine(plane, plane.layout.link_process).announce(1)
    return LinkLine(plane)


def test_nobody_is_let_in_without_a_model_server(
    plane: Plane, let_in: Admission, link: LinkLine
) -> None:
    with pytest.raises(NoSlotError, match="No model server is connected"):
        let_in.claim()
    assert refused(plane) == {"no_model_server": 1}
    link.tell(1, 3)
    claimed(let_in)


def test_no_more_are_let_in_than_model_servers_have_room_for(
    let_in: Admission, link: LinkLine
) -> None:
    """Of three slots, two can be served."""
    link.tell(1, 2)
    first = claimed(let_in)
    claimed(let_in)
    with pytest.raises(NoSlotError, match="All streams are in use"):
        let_in.claim()
    let_in.release(first)
    claimed(let_in)


def test_a_stream_that_goes_on_says_where_from(plane: Plane, let_in: Admission) -> None:
    slot = let_in.claim(1234, PARTIALS_QUICK)
    session = SessionReader(plane, slot.slot).session()
    assert session is not None
    assert (session.origin_samples, session.partials) == (1234, PARTIALS_QUICK)
    let_in.release(slot)
    again = SessionReader(plane, claimed(let_in).slot).session()
    assert again is not None
    assert again.origin_samples == 0


# -- as many as the machine holds


def at_work(plane: Plane, streams: int, device: int | None = None) -> None:
    """A worker that has measured how many streams it could step."""
    line = ProcessLine(plane, plane.layout.worker_process(0))
    line.announce(1)
    line.runs_on(device)
    line.could_step(streams)


def test_capacity_is_what_the_worker_has_measured(plane: Plane) -> None:
    assert capacity_of(plane) is None, "nobody has measured anything"
    at_work(plane, streams=1000)
    capacity = capacity_of(plane)
    assert capacity is not None
    assert capacity.known == plane.geometry.slots


@pytest.mark.parametrize(
    ("second_passes", "device", "known"), [(0, None, 12), (1, None, 8), (1, 0, 12)]
)
def test_a_second_pass_on_the_same_cores_takes_its_share(
    second_passes: int, device: int | None, known: int
) -> None:
    plane = Plane.create(replace(SMALL, slots=40, second_passes=second_passes))
    try:
        at_work(plane, streams=20, device=device)
        capacity = capacity_of(plane)
        assert capacity is not None
        assert capacity.known == known
    finally:
        plane.close()


def test_six_are_always_let_in() -> None:
    """What the load tester checks a machine with."""
    plane = Plane.create(replace(SMALL, slots=40))
    try:
        at_work(plane, streams=1)
        capacity = capacity_of(plane)
        assert capacity is not None
        assert capacity.known == 6
    finally:
        plane.close()


def test_beyond_what_the_machine_holds_nobody_is_let_in(
    plane: Plane, bells: Doorbells, clock: Clock
) -> None:
    let_in = Admission(
        plane, SlotPool(plane, bells, 0), FrontendFigures(plane, 0), Capacity(known=1, most=3)
    )
    claimed(let_in)
    claimed(let_in)  # on trial
    with pytest.raises(NoSlotError, match="as many streams as this machine holds"):
        claimed(let_in)
    assert refused(plane) == {"overload": 1}


def test_a_stream_that_may_go_makes_room_also_on_a_machine_that_holds_no_more(
    plane: Plane, bells: Doorbells
) -> None:
    let_in = Admission(
        plane, SlotPool(plane, bells, 0), FrontendFigures(plane, 0), Capacity(known=1, most=1)
    )
    slots = [claimed(let_in)]

    def one_goes() -> bool:
        if not slots:
            return False
        let_in.release(slots.pop())
        return True

    let_in.claim(make_room=one_goes)
    with pytest.raises(NoSlotError, match="as many streams as this machine holds"):
        let_in.claim(make_room=one_goes)
    assert refused(plane) == {"overload": 1}


def test_no_stream_is_ended_in_vain(plane: Plane, bells: Doorbells) -> None:
    """While streams fall behind nobody is let in, whoever goes."""
    capacity = Capacity(known=3, most=3)
    let_in = Admission(plane, SlotPool(plane, bells, 0), FrontendFigures(plane, 0), capacity)
    for _ in range(2):
        claimed(let_in)
    capacity.observe(2, time.monotonic(), late=True)
    asked: list[bool] = []
    with pytest.raises(NoSlotError, match="as many streams as this machine holds"):
        let_in.claim(make_room=lambda: bool(asked.append(True)))
    assert asked == []


def test_a_final_that_is_late_closes_the_door(plane: Plane, bells: Doorbells, clock: Clock) -> None:
    let_in = Admission(
        plane, SlotPool(plane, bells, 0), FrontendFigures(plane, 0), Capacity(known=2, most=3)
    )
    slot = claimed(let_in)
    slot.write_audio(samples(8))
    slot.write_mark()
    clock.now_ns += 2 * FINAL_LATE_NS
    let_in.look_at_the_clock()
    second = claimed(let_in)  # its audio has not been computed yet: that is another matter
    let_in.release(second)
    line = plane.line(plane.layout.worker_line(slot.slot))
    line[SLOT_POSITION_SAMPLES] = slot.measured.audio_head
    let_in.look_at_the_clock()
    with pytest.raises(NoSlotError):
        claimed(let_in)
    let_in.release(slot)
    clock.now_ns += 60_000_000_000
    let_in.look_at_the_clock()
    claimed(let_in)


def test_an_engine_that_fails_lets_nobody_in(plane: Plane, let_in: Admission) -> None:
    plane.set_failing(True)
    with pytest.raises(NoSlotError, match="cannot be kept running"):
        claimed(let_in)
    assert refused(plane) == {"failing": 1}
    plane.set_failing(False)
    claimed(let_in)
