from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from gpu_worker.acoustic.echo import Echo
from gpu_worker.endpointing import EndpointRules
from gpu_worker.stepper import EagerStepper
from gpu_worker.worker import Worker
from models import ECHO_MODEL
from models.spec import ModelSpec
from shm import layout
from shm.decoder_slot import DecoderSlot
from shm.doorbells import Doorbells
from shm.emissions import Emission, SegmentEnd
from shm.frontend_slot import FrontendSlot
from shm.outbox import ResumePoint
from shm.plane import Plane
from shm.worker_slot import WorkerSlot
from tests.gpu_worker.tiny import TINY, TinyStepper, geometry_of, spoken
from tests.shm.planes import final

CHUNK = TINY.chunk_samples
NEEDED = CHUNK + TINY.right_samples
LONG = spoken("ab" * 500)


RULES = EndpointRules.of_model(TINY)


def worker_of(
    plane: Plane,
    bells: Doorbells,
    stepper: TinyStepper | None = None,
    rules: EndpointRules | None = None,
) -> Worker:
    slots = [WorkerSlot(plane, bells, slot) for slot in range(plane.geometry.slots)]
    return Worker(TINY, stepper or TinyStepper(), slots, rules)


def opened(plane: Plane, bells: Doorbells, slot: int = 0) -> FrontendSlot:
    return FrontendSlot.begin(plane, bells, slot, frontend=0)


def published(plane: Plane, bells: Doorbells, slot: int = 0) -> list[Emission]:
    """All emissions of a slot that nobody has committed past."""
    decoder = DecoderSlot(plane, bells, slot)
    found = []
    while decoder.has_emission:
        found.append(decoder.read())
        decoder.step_past()
    return found


def said(emissions: list[Emission]) -> str:
    tokens = [token for emission in emissions for token in emission.log_probs.argmax(1)]
    return "".join(TINY.vocabulary[token] or "_" for token in tokens)


def settle(plane: Plane, bells: Doorbells, epoch: int, resume: ResumePoint) -> None:
    DecoderSlot(plane, bells, 0).publish(final(epoch=epoch, resume=resume))


def run(worker: Worker) -> None:
    while worker.round():
        pass


def test_without_sessions_there_is_nothing_to_do(plane: Plane, bells: Doorbells) -> None:
    assert not worker_of(plane, bells).round()


def test_a_chunk_is_emitted_once_its_look_ahead_is_there(plane: Plane, bells: Doorbells) -> None:
    slot = opened(plane, bells)
    worker = worker_of(plane, bells)
    slot.write_audio(LONG[: NEEDED - 1])
    assert not worker.round()
    slot.write_audio(LONG[NEEDED - 1 : NEEDED])
    assert worker.round()
    (emission,) = published(plane, bells)
    assert emission.epoch == slot.epoch
    assert said([emission]) == "ab" * (TINY.chunk_frames // 2)


def test_every_slot_gets_its_own(plane: Plane, bells: Doorbells) -> None:
    texts = ["abab", "cd", "dcba"]
    for number, text in enumerate(texts):
        slot = opened(plane, bells, number)
        slot.write_audio(spoken(text))
        slot.write_mark()
    stepper = TinyStepper(batch=2)
    run(worker_of(plane, bells, stepper))
    assert [said(published(plane, bells, number)) for number in range(3)] == texts
    assert stepper.runs == [2, 1]


def test_a_lane_is_not_delayed_by_one_that_is_far_behind(plane: Plane, bells: Doorbells) -> None:
    behind, live = opened(plane, bells, 0), opened(plane, bells, 1)
    behind.write_audio(LONG)
    worker = worker_of(plane, bells, TinyStepper(batch=1))
    for _ in range(3):
        worker.round()
    live.write_audio(LONG[:NEEDED])
    worker.round()
    assert len(published(plane, bells, 1)) == 1


def test_neighbours_and_slots_make_no_difference(plane: Plane, bells: Doorbells) -> None:
    for number in (2, 0, 1):
        slot = opened(plane, bells, number)
        slot.write_audio(LONG[: 5 * CHUNK])
        slot.write_mark()
    run(worker_of(plane, bells))
    found = [[e.log_probs.tobytes() for e in published(plane, bells, n)] for n in range(3)]
    assert found[0] == found[1] == found[2]


def test_an_empty_utterance_costs_no_step_of_the_model(plane: Plane, bells: Doorbells) -> None:
    opened(plane, bells).write_mark()
    stepper = TinyStepper()
    run(worker_of(plane, bells, stepper))
    (emission,) = published(plane, bells)
    assert (emission.end, emission.log_probs.shape) == (SegmentEnd.MARK, (0, 6))
    assert stepper.runs == []


def test_an_empty_utterance_beside_a_spoken_one(plane: Plane, bells: Doorbells) -> None:
    opened(plane, bells, 0).write_mark()
    spoken_slot = opened(plane, bells, 1)
    spoken_slot.write_audio(spoken("abc"))
    spoken_slot.write_mark()
    run(worker_of(plane, bells))
    assert said(published(plane, bells, 0)) == ""
    assert said(published(plane, bells, 1)) == "abc"


class EndsSession(TinyStepper):
    """The client of slot 0 leaves while the model runs."""

    slot: FrontendSlot

    def run(self, items: int) -> NDArray[np.float32]:
        self.slot.end_session()
        return super().run(items)


def test_nothing_is_published_for_a_session_that_ended_during_the_step(
    plane: Plane, bells: Doorbells
) -> None:
    stepper = EndsSession()
    stepper.slot = opened(plane, bells)
    stepper.slot.write_audio(LONG[:NEEDED])
    worker = worker_of(plane, bells, stepper)
    worker.round()
    assert published(plane, bells) == []
    assert not worker.round(), "its lane is gone"


def test_the_next_session_of_a_slot_starts_afresh(plane: Plane, bells: Doorbells) -> None:
    first = opened(plane, bells)
    first.write_audio(LONG[: NEEDED + 7])
    worker = worker_of(plane, bells)
    run(worker)
    first.end_session()
    second = opened(plane, bells)
    second.write_audio(spoken("dcd"))
    second.write_mark()
    run(worker)
    emission = published(plane, bells)[-1]
    assert (emission.epoch, emission.segment, emission.first_frame) == (second.epoch, 0, 0)
    assert emission.segment_start_sample == NEEDED + 7
    assert said([emission]) == "dcd"


def test_a_successor_begins_at_the_last_final(plane: Plane, bells: Doorbells) -> None:
    """Rule R1."""
    slot = opened(plane, bells)
    slot.write_audio(LONG)
    run(worker_of(plane, bells))
    settle(plane, bells, slot.epoch, ResumePoint(1, 400, 0, 7, 400))
    before = len(published(plane, bells))
    run(worker_of(plane, bells))
    successors = published(plane, bells)[before]
    assert (successors.segment, successors.first_frame) == (1, 0)
    assert successors.segment_start_sample == 400


def test_a_lane_whose_segment_was_settled_goes_to_the_last_final(
    plane: Plane, bells: Doorbells
) -> None:
    """Rule R4: the decoder finished the segment with what a dead worker had published."""
    slot = opened(plane, bells)
    slot.write_audio(LONG)
    worker = worker_of(plane, bells, rules=replace(RULES, early=False))
    worker.round()
    settle(plane, bells, slot.epoch, ResumePoint(3, 500, 0, 1, 500))
    worker.round()
    assert published(plane, bells) == [], "its copy is thrown away"
    worker.round()
    (emission,) = published(plane, bells)
    assert (emission.segment, emission.segment_start_sample) == (3, 500)


def test_a_lane_that_hears_settled_audio_goes_to_the_last_final(
    plane: Plane, bells: Doorbells
) -> None:
    """Rule R4, before anything is computed."""
    slot = opened(plane, bells)
    slot.write_audio(LONG)
    worker = worker_of(plane, bells)
    worker.round()
    settle(plane, bells, slot.epoch, ResumePoint(3, 500, 0, 1, 500))
    worker.round()
    (emission,) = published(plane, bells)
    assert (emission.segment, emission.segment_start_sample) == (3, 500)


def test_a_pause_ends_the_utterance_before_the_chunk_is_there(
    plane: Plane, bells: Doorbells
) -> None:
    slot = opened(plane, bells)
    worker = worker_of(plane, bells, rules=replace(RULES, audible_difference_rms=0))
    slot.write_audio(spoken("abcd" + "_" * 12))
    run(worker)
    (emission,) = published(plane, bells)
    assert emission.end is SegmentEnd.ENDPOINT
    assert emission.covered_sample < CHUNK


def test_a_question_that_the_model_denies_publishes_nothing(plane: Plane, bells: Doorbells) -> None:
    """A letter that is held sounds like nothing at all."""
    stepper = TinyStepper()
    slot = opened(plane, bells)
    worker = worker_of(plane, bells, stepper, replace(RULES, audible_difference_rms=0))
    slot.write_audio(spoken("a" * 20))
    run(worker)
    assert stepper.runs == [1]
    assert published(plane, bells) == []
    slot.write_audio(spoken("b" * TINY.chunk_frames))
    run(worker)
    assert said(published(plane, bells)) == "a" * 20 + "b" * (TINY.chunk_frames - 20)


def test_a_lane_of_an_empty_segment_that_was_settled_goes_to_the_last_final(
    plane: Plane, bells: Doorbells
) -> None:
    """Marks without audio between them settle segments and no sample.

    The mark that this lane looks for has been answered, and written over with a later one.
    """
    slot = opened(plane, bells)
    slot.write_audio(spoken("ab"))
    for _ in range(layout.MARK_RECORDS):
        slot.write_mark()
    worker = worker_of(plane, bells)
    worker.round()
    settled = layout.MARK_RECORDS
    settle(plane, bells, slot.epoch, ResumePoint(settled, 4, settled, 1, 4))
    assert slot.take() is not None
    slot.write_audio(LONG)
    for _ in range(layout.MARK_RECORDS):
        slot.write_mark()
    run(worker)
    first = published(plane, bells)[0]
    assert (first.segment, first.segment_start_sample) == (settled, 4)


def test_a_full_emission_ring_blocks_its_lane_alone(plane: Plane, bells: Doorbells) -> None:
    """Rule R8."""
    full, other = opened(plane, bells, 0), opened(plane, bells, 1)
    worker = worker_of(plane, bells)
    records = plane.geometry.emission_records
    for _ in range(records):
        full.write_mark()
        run(worker)
        settle_marks(plane, full)
    full.write_mark()
    other.write_audio(LONG[:NEEDED])
    run(worker)
    assert len(published(plane, bells, 0)) == records
    assert len(published(plane, bells, 1)) == 1
    DecoderSlot(plane, bells, 0).drop()
    run(worker)
    assert len(published(plane, bells, 0)) == records, "one freed, one more published"


def settle_marks(plane: Plane, slot: FrontendSlot) -> None:
    """Lets the frontend set more marks than its ring holds, without freeing emissions."""
    line = plane.line(plane.layout.decoder_line(slot.slot))
    line[layout.SLOT_MARK_COMMIT] = slot._mark_head
    slot._marks_answered = slot._mark_head  # as if the finals had been taken


def test_with_the_echo_model_on_torch() -> None:
    spec = ModelSpec.load(ECHO_MODEL)
    plane = Plane.create(geometry_of(spec, slots=2))
    bells = Doorbells.create(plane.geometry)
    stepper = EagerStepper(Echo(spec), spec, 2, torch.device("cpu"))
    worker = Worker(spec, stepper, [WorkerSlot(plane, bells, slot) for slot in range(2)])
    texts = ["hello world", "it's the end"]
    for number, text in enumerate(texts):
        slot = opened(plane, bells, number)
        slot.write_audio(spoken(text, spec))
        slot.write_mark()
    run(worker)
    for number, text in enumerate(texts):
        (emission,) = published(plane, bells, number)
        found = "".join(spec.vocabulary[token] for token in emission.log_probs.argmax(1))
        assert found == text
    plane.close()
    bells.close()


@pytest.mark.parametrize("rounds", [0, 1, 5])
def test_a_round_says_whether_there_may_be_more(
    plane: Plane, bells: Doorbells, rounds: int
) -> None:
    slot = opened(plane, bells)
    slot.write_audio(LONG[: rounds * CHUNK + TINY.right_samples])
    worker = worker_of(plane, bells)
    assert [worker.round() for _ in range(rounds + 1)] == [True] * rounds + [False]


def test_a_session_whose_last_final_cannot_be_read_is_given_up(
    plane: Plane, bells: Doorbells
) -> None:
    """By a successor, as it alone reads it; the slot's next session is nothing to do with it."""
    client = opened(plane, bells)
    client.write_audio(spoken("abcd"))
    settle(plane, bells, client.epoch, ResumePoint(1, client.audio_head, 0, 0, client.audio_head))
    plane.bytes(plane.layout.outbox_record(0, 0) + 20, 1)[0] ^= 1
    worker = worker_of(plane, bells)
    assert not worker.round()
    assert not worker.round(), "and not tried again and again"
    client.end_session()
    later = opened(plane, bells)
    later.write_audio(spoken("abcd" * 4))
    later.write_mark()
    run(worker)
    assert said(published(plane, bells)).startswith("abcd")
