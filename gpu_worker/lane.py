"""A lane: where the worker stands in one slot's session, and what its next step would be.

Pure: audio positions and samples come in, a plan or an emission goes out; no clock, no I/O, no
torch. What a lane does depends on the session's audio and marks alone (rule R6), so a new worker
that starts at the last final publishes the same emissions again.

    listen    the audio's quiet is followed up to where the next chunk would be complete
    plan      the next chunk has arrived with its look-ahead, or a mark ends the utterance before
              it, or it went quiet before it: then the model is asked whether the utterance is over
    complete  the chunk's log-probabilities become an emission; it may end the segment, and then
              the lane stands at the start of the next one

A question that the model denies leaves no trace: the chunk is computed again when its look-ahead
has arrived. Chunks, marks and questions take their turn by their place in the audio, never by when
the worker came to look.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from gpu_worker.endpointing import Endpointer, EndpointRules
from gpu_worker.quiet import HOP_MS, QuietDetector
from models.spec import ModelSpec
from shm.audio_ring import Samples
from shm.emissions import Emission, SegmentEnd
from shm.outbox import ResumePoint

PAUSE_MS: Final = 350
"""So long it must have been quiet for the second pass to begin ahead of the utterance's end."""
HEARD_OF_PAUSE_MS: Final = 300
"""So much of a pause the second pass hears, however long it becomes."""


@dataclass(frozen=True, slots=True)
class Plan:
    """One step of a lane. Samples count from the slot's first.

    ``window_start`` is where the model's window begins, ``start`` and ``stop`` bound the audio to
    copy into it; the rest is silence. ``ends`` says that the segment's audio ends at ``stop``,
    ``asks`` that it may. ``frames`` of the chunk's emissions are real; with none there is nothing
    to compute. A step ``hurries`` where a client has said `done` and a final is near.
    """

    window_start: int
    start: int
    stop: int
    ends: bool
    asks: bool
    frames: int
    first: bool
    hurries: bool


class Lane:
    """The worker's position in one session."""

    __slots__ = (
        "_endpointer",
        "_frame",
        "_mark",
        "_question",
        "_quiet",
        "_rules",
        "_segment",
        "_spec",
        "epoch",
        "segment_start",
    )

    def __init__(
        self, spec: ModelSpec, rules: EndpointRules, epoch: int, resume: ResumePoint
    ) -> None:
        self._spec = spec
        self._rules = rules
        self._endpointer = Endpointer(rules)
        self._quiet = QuietDetector(spec.sample_rate_hz, rules.audible_difference_rms)
        self._question: int | None = None
        self.epoch = epoch
        self.resume(resume)

    def resume(self, point: ResumePoint) -> None:
        """Stands at a segment's start: a fresh session's, or the one after the last final."""
        self._begin_segment(point.segment, point.sample, point.mark)

    @property
    def mark(self) -> int:
        """Number of the mark that would end this segment."""
        return self._mark

    def unheard(self, audio_head: int, mark_sample: int | None) -> tuple[int, int] | None:
        """From where to where `listen` wants audio before the next `plan`; None if it wants none.

        Never past the chunk's look-ahead or the mark: at most a chunk and its look-ahead.
        """
        if not self._rules.early:
            return None
        limit = min(audio_head, self._reach(mark_sample))
        if self._question is not None:
            limit = min(limit, self._question)
        begin = self.segment_start + self._quiet.heard
        hops = (limit - begin) // self._quiet.hop
        return (begin, begin + hops * self._quiet.hop) if hops > 0 else None

    def listen(self, samples: Samples) -> None:
        """Takes the audio that `unheard` asked for. The model is asked as soon as it is quiet."""
        enough = self._rules.trailing_silence * self._spec.frame_samples // self._quiet.hop
        if self._quiet.listen(samples, enough):
            self._question = self.segment_start + self._quiet.heard

    @property
    def pause(self) -> tuple[int, int] | None:
        """The segment's audio up to the pause that it is in, if it is: from sample, to sample.

        Were the utterance to end in this pause, that is what the second pass would be asked about.
        """
        if self._quiet.lasted * HOP_MS < PAUSE_MS:
            return None
        heard = HEARD_OF_PAUSE_MS * self._spec.sample_rate_hz // 1000
        return self.segment_start, self.segment_start + self._quiet.since + heard

    def plan(self, audio_head: int, mark_sample: int | None) -> Plan | None:
        """The next step, if ``audio_head`` or the mark allows one.

        Args:
            audio_head: samples that have arrived.
            mark_sample: where mark number `mark` ends the utterance, if it has been set.
        """
        stop = self._reach(mark_sample)
        asks = self._question is not None and self._question <= stop
        if asks and self._question is not None:
            stop = self._question
        if audio_head < stop:
            return None
        assert self.unheard(audio_head, mark_sample) is None, "audio is heard before it is planned"
        chunk_start = self._sample_of(self._frame)
        ends = not asks and stop < self._needed
        frames = self._spec.chunk_frames
        if ends or asks:
            total = self._spec.frames_of(stop - self.segment_start)
            frames = min(frames, max(0, total - self._frame))
        window_start = chunk_start - self._spec.left_samples
        return Plan(
            window_start=window_start,
            start=max(self.segment_start, window_start),
            stop=min(stop, window_start + self._spec.window_samples),
            ends=ends,
            asks=asks,
            frames=frames,
            first=self._frame == 0,
            hurries=mark_sample is not None
            and mark_sample < self._needed + self._spec.chunk_samples,
        )

    def complete(self, plan: Plan, log_probs: NDArray[np.float32]) -> Emission | None:
        """Turns the step's result, (plan.frames, vocabulary), into an emission and moves on.

        None if the utterance was asked about and goes on.
        """
        speech = self._endpointer.speech(log_probs)
        if self._question is not None and self._question <= plan.stop:
            self._question = None  # this was its turn; one that is due later keeps its place
        if plan.asks:
            counted = self._answer(plan, speech)
            if counted is None:
                return None
        else:
            # Where a mark is about to end the segment, silence before it does not: what little
            # audio it would leave behind holds no word, but decoded alone it may be taken for one.
            counted = self._endpointer.end_in(speech, at_silence=not plan.ends)
        first_frame = self._frame
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
        covered = plan.stop if end is SegmentEnd.MARK else reached
        emission = Emission(
            epoch=self.epoch,
            segment=self._segment,
            segment_start_sample=self.segment_start,
            first_frame=first_frame,
            covered_sample=covered,
            heard_sample=self._heard_of(covered),
            end=end,
            next_sample=next_sample,
            next_mark=next_mark,
            has_speech=bool(speech[:frames].any()),
            log_probs=log_probs[:frames],
        )
        if end is not SegmentEnd.NONE:
            self._begin_segment(self._segment + 1, next_sample, next_mark)
        return emission

    def _answer(self, plan: Plan, speech: NDArray[np.bool_]) -> int | None:
        """Whether the utterance that was asked about is over: how many frames are left of it.

        It is where the model has been silent for long enough. What the audio had beyond the chunk's
        frames is taken for silence if it was quiet, and for nothing otherwise. If it is only not
        long enough yet, the lane asks again when it will be.
        """
        tried = self._endpointer.copy()
        counted = tried.end_in(speech)
        frames = plan.frames if counted is None else counted
        ends_at = tried.ends_at
        if ends_at is None or tried.is_full:
            return None
        due, silent_to = self._sample_of(ends_at), self._sample_of(self._frame + frames)
        if silent_to > plan.stop or self.segment_start + self._quiet.since <= silent_to:
            silent_to = plan.stop
        if silent_to < due:
            self._question = due if due > plan.stop else None
            return None
        self._endpointer = tried
        return frames

    def _heard_of(self, covered: int) -> int:
        """Up to where the second pass need hear, of the audio up to ``covered``.

        To the model, too, the pause must be one: soft words at the end may sound quiet.
        """
        pause = self.pause
        if pause is None or self._sample_of(self._endpointer.silent_since) > pause[1]:
            return covered
        return min(covered, pause[1])

    @property
    def _needed(self) -> int:
        """The sample up to which the next chunk needs audio."""
        chunk_start = self._sample_of(self._frame)
        return chunk_start + self._spec.chunk_samples + self._spec.right_samples

    def _reach(self, mark_sample: int | None) -> int:
        """Where the next chunk or the mark takes its turn, whichever comes first."""
        return self._needed if mark_sample is None else min(self._needed, mark_sample)

    def _sample_of(self, frame: int) -> int:
        return self.segment_start + frame * self._spec.frame_samples

    def _begin_segment(self, segment: int, sample: int, mark: int) -> None:
        self._segment = segment
        self.segment_start = sample
        self._mark = mark
        self._frame = 0
        self._question = None
        self._endpointer.reset()
        self._quiet.reset()
