"""A second pass that hears which samples it was given, so that every answer tells its question."""

from __future__ import annotations

import numpy as np

from shm.audio_ring import Samples
from shm.decoder_slot import DecoderSlot
from shm.doorbells import Doorbells
from shm.frontend_slot import FrontendSlot
from shm.heard import MAX_HEARD_S, Heard
from shm.plane import Plane
from shm.second_pass_slot import Question, SecondPassSlot
from tests.shm.planes import SMALL

SLOT = 1
LONGEST = MAX_HEARD_S * SMALL.sample_rate_hz


def opened(plane: Plane, bells: Doorbells) -> FrontendSlot:
    """The slot with its ring full of numbered samples."""
    frontend = FrontendSlot.begin(plane, bells, SLOT, frontend=0)
    frontend.write_audio(np.arange(SMALL.ring_samples).astype(np.int16))
    return frontend


def serve(second_pass: SecondPassSlot) -> Question | None:
    """One look at the slot, as the process makes it: the open question, answered."""
    question = second_pass.question()
    if question is not None:
        assert 0 <= question.stop - question.start <= LONGEST, "a model could not hear it"
        second_pass.answer(question, hear(second_pass.audio(question)))
    return question


def hear(samples: Samples) -> tuple[Heard, ...]:
    """The first and the last of ``samples``, and how many they are."""
    ends = samples[[0, -1]].tolist() if samples.size else []
    return (Heard(f"{samples.size} of {ends}", -1.0),)


def heard_in(start: int, stop: int) -> tuple[Heard, ...]:
    """What is heard from sample ``start`` to ``stop`` of a slot that `opened` has filled."""
    return hear(np.arange(start, stop).astype(np.int16))


def assert_answered(decoder: DecoderSlot, second_pass: SecondPassSlot, question: Question) -> None:
    """The newest question, ``question``, is still open; it is found, and answered for all of it."""
    assert decoder.answer(question.number) is None
    assert serve(second_pass) == question
    assert second_pass.question() is None
    assert decoder.answer(question.number) == heard_in(question.start, question.stop)
