"""A lane: where the worker stands in one slot's session, and what its next step would be.

Pure: audio positions come in, a plan or an emission goes out; no clock, no I/O, no torch. What a
lane does depends on the session's audio and marks alone (rule R6), so a new worker that starts at
the last final publishes the same emissions again.

    plan      the next chunk has arrived with its look-ahead, or a mark ends the utterance before it
    complete  the chunk's log-probabilities become an emission; it may end the segment, and then
              the lane stands at the start of the next one
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gpu_worker.endpointing import Endpointer, EndpointRules
from models.spec import ModelSpec
from shm.emissions import Emission, SegmentEnd
from shm.outbox import ResumePoint


@dataclass(frozen=True, slots=True)
class Plan:
    """One step of a lane. Samples count from the slot's first.

    ``window_start`` is where the model's window begins, ``start`` and ``stop`` bound the audio to
    copy into it; the rest is silence. ``ends`` says that the segment's audio ends at ``stop``.
    ``frames`` of the chunk's emissions are real; with none there is nothing to compute.
    """

    window_start: int
    start: int
    stop: int
    ends: bool
    frames: int
    first: bool


class Lane:
    """The worker's position in one session."""

    __slots__ = ("_endpointer", "_frame", "_mark", "_segment", "_spec", "epoch", "segment_start")

    def __init__(
        self, spec: ModelSpec, rules: EndpointRules, epoch: int, resume: ResumePoint
    ) -> None:
        self._spec = spec
        self._endpointer = Endpointer(rules)
        self.epoch = epoch
        self.resume(resume)

    def resume(self, point: ResumePoint) -> None:
        """Stands at a segment's start: a fresh session's, or the one after the last final."""
        self._begin_segment(point.segment, point.sample, point.mark)

    @property
    def mark(self) -> int:
        """Number of the mark that would end this segment."""
        return self._mark

    def plan(self, audio_head: int, mark_sample: int | None) -> Plan | None:
        """The next step, if ``audio_head`` or the mark allows one.

        Args:
            audio_head: samples that have arrived.
            mark_sample: where mark number `mark` ends the utterance, if it has been set.
        """
        chunk_start = self.segment_start + self._frame * self._spec.frame_samples
        needed = chunk_start + self._spec.chunk_samples + self._spec.right_samples
        ends = mark_sample is not None and mark_sample < needed
        if not ends and audio_head < needed:
            return None
        stop = mark_sample if ends and mark_sample is not None else needed
        frames = self._spec.chunk_frames
        if ends:
            total = self._spec.frames_of(stop - self.segment_start)
            frames = min(frames, max(0, total - self._frame))
        window_start = chunk_start - self._spec.left_samples
        return Plan(
            window_start=window_start,
            start=max(self.segment_start, window_start),
            stop=min(stop, window_start + self._spec.window_samples),
            ends=ends,
            frames=frames,
            first=self._frame == 0,
        )

    def complete(self, plan: Plan, log_probs: NDArray[np.float32]) -> Emission:
        """Turns the step's result, (plan.frames, vocabulary), into an emission and moves on."""
        speech = self._endpointer.speech(log_probs)
        first_frame = self._frame
        # Where a mark is about to end the segment, silence before it does not: what little audio
        # it would leave behind holds no word, but decoded on its own it may be taken for one.
        counted = self._endpointer.end_in(speech, at_silence=not plan.ends)
        frames = plan.frames if counted is None else counted
        self._frame += frames
        reached = min(plan.stop, self._sample_of(self._frame))
        # A mark that falls where the utterance ends by itself ends it: one final, not two.
        if plan.ends and self._frame == self._spec.frames_of(plan.stop - self.segment_start):
            end, next_sample, next_mark = SegmentEnd.MARK, plan.stop, self._mark + 1
        elif counted is not None:
            heard_again = self._endpointer.frames_given_back()
            resumed = min(reached, self._sample_of(self._frame - heard_again))
            end, next_sample, next_mark = SegmentEnd.ENDPOINT, resumed, self._mark
        else:
            end, next_sample, next_mark = SegmentEnd.NONE, reached, self._mark
        emission = Emission(
            epoch=self.epoch,
            segment=self._segment,
            segment_start_sample=self.segment_start,
            first_frame=first_frame,
            covered_sample=plan.stop if end is SegmentEnd.MARK else reached,
            end=end,
            next_sample=next_sample,
            next_mark=next_mark,
            has_speech=bool(speech[:frames].any()),
            log_probs=log_probs[:frames],
        )
        if end is not SegmentEnd.NONE:
            self._begin_segment(self._segment + 1, next_sample, next_mark)
        return emission

    def _sample_of(self, frame: int) -> int:
        return self.segment_start + frame * self._spec.frame_samples

    def _begin_segment(self, segment: int, sample: int, mark: int) -> None:
        self._segment = segment
        self.segment_start = sample
        self._mark = mark
        self._frame = 0
        self._endpointer.reset()
