"""Lanes over audio whose samples name the tokens: see `tests.gpu_worker.tiny`."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from gpu_worker.endpointing import EndpointRules, EndpointTimes
from gpu_worker.lane import Lane
from models import BUNDLED_MODEL
from models.spec import ModelSpec
from shm.emissions import Emission, SegmentEnd
from shm.outbox import ResumePoint
from tests.gpu_worker.tiny import TINY, spoken, tiny_log_probs

NO_CONTEXT = replace(
    TINY, chunk_frames=5, hop_samples=2, left_frames=0, right_samples=0, margin_samples=0
)
CONTEXT = replace(TINY, chunk_frames=5)
SPECS = [CONTEXT, NO_CONTEXT]
MAX_FRAMES = EndpointRules.of_model(TINY).max_frames
CHUNKS_ALONE = EndpointRules.of_model(TINY, EndpointTimes(trailing_silence_ms=800), early=False)
EARLY = replace(CHUNKS_ALONE, early=True, audible_difference_rms=0)
START = ResumePoint.of_session(0, 0)

Audio = NDArray[np.int16]
Stream = tuple[ModelSpec, EndpointRules, Audio, list[int]]


class Worker:
    """A lane with the model that it plans for. Keeps the emissions, and where each was decided."""

    def __init__(
        self,
        spec: ModelSpec,
        audio: Audio,
        resume: ResumePoint = START,
        rules: EndpointRules = CHUNKS_ALONE,
    ) -> None:
        self.spec = spec
        self.audio = audio
        self.lane = Lane(spec, rules, 1, resume)
        self.emissions: list[Emission] = []
        self.decided: list[int] = []
        self.denied = 0

    def step(self, head: int, marks: list[int]) -> bool:
        """One step with the audio up to ``head`` and the ``marks`` set so far."""
        mark = marks[self.lane.mark] if self.lane.mark < len(marks) else None
        unheard = self.lane.unheard(head, mark)
        if unheard is not None:
            self.lane.listen(self.audio[slice(*unheard)])
        plan = self.lane.plan(head, mark)
        if plan is None:
            return False
        assert plan.stop <= head, "audio that has not arrived"
        window = np.zeros(self.spec.window_samples, np.int16)
        span = plan.start - plan.window_start, plan.stop - plan.window_start
        assert 0 <= span[0] <= span[1] <= self.spec.window_samples
        window[slice(*span)] = self.audio[plan.start : plan.stop]
        log_probs = tiny_log_probs(window, span, first=plan.first, spec=self.spec)
        emission = self.lane.complete(plan, log_probs[: plan.frames])
        if emission is None:
            self.denied += 1
        else:
            self.emissions.append(emission)
            self.decided.append(plan.stop)
        return True

    def finish(self, marks: list[int]) -> list[Emission]:
        """Everything that all of the audio and the ``marks`` give."""
        while self.step(self.audio.shape[0], marks):
            assert len(self.emissions) < 10_000, "a lane gets further with every step"
        return self.emissions


def run(
    spec: ModelSpec, audio: Audio, marks: list[int], rules: EndpointRules = CHUNKS_ALONE
) -> list[Emission]:
    return Worker(spec, audio, rules=rules).finish(marks)


def comparable(emissions: list[Emission]) -> list[tuple[object, ...]]:
    return [
        (
            emission.segment,
            emission.segment_start_sample,
            emission.first_frame,
            emission.covered_sample,
            emission.end,
            emission.next_sample,
            emission.next_mark,
            emission.has_speech,
            emission.log_probs.tobytes(),
        )
        for emission in emissions
    ]


texts = st.lists(
    st.one_of(
        st.text("abcd ", max_size=15),
        st.integers(1, 12).map("_".__mul__),
        st.sampled_from(["_" * 60, "ab" * 90]),
    ),
    max_size=8,
).map("".join)


@st.composite
def streams(draw: st.DrawFn) -> Stream:
    """A model, rules, audio that need not be whole frames, and marks, the last at its end."""
    spec = draw(st.sampled_from(SPECS))
    audio = spoken(draw(texts))[draw(st.integers(0, 1)) :]
    length = audio.shape[0]
    edges = st.integers(0, length // spec.chunk_samples).map(spec.chunk_samples.__mul__)
    anywhere = st.integers(0, length)
    marks = draw(st.lists(st.one_of(anywhere, edges), max_size=6))
    rules = draw(st.sampled_from([CHUNKS_ALONE, EARLY]))
    return spec, rules, audio, [*sorted(marks), length]


@given(stream=streams(), data=st.data())
def test_any_arrival_of_the_same_audio_and_marks_gives_the_same(
    stream: Stream, data: st.DataObject
) -> None:
    """A mark is set after the audio before it and before the audio after it."""
    spec, rules, audio, marks = stream
    worker = Worker(spec, audio, rules=rules)
    for head in sorted(data.draw(st.lists(st.integers(0, audio.shape[0]), max_size=20))):
        before = sum(mark < head for mark in marks)
        at_head = marks.count(head)
        seen = marks[: before + data.draw(st.integers(0, at_head))]
        for _ in range(data.draw(st.integers(0, 3))):
            worker.step(head, seen)
    assert comparable(worker.finish(marks)) == comparable(run(spec, audio, marks, rules))


@given(stream=streams())
def test_a_replay_from_any_final_gives_the_same_again(
    stream: Stream,
) -> None:
    spec, rules, audio, marks = stream
    emissions = run(spec, audio, marks, rules)
    for index, emission in enumerate(emissions):
        if emission.end is not SegmentEnd.NONE:
            resume = ResumePoint(
                emission.segment + 1, emission.next_sample, emission.next_mark, 0, 0
            )
            again = Worker(spec, audio, resume, rules).finish(marks)
            assert comparable(again) == comparable(emissions[index + 1 :])


@given(stream=streams())
def test_no_audio_is_skipped_and_only_silence_is_heard_twice(
    stream: Stream,
) -> None:
    spec, rules, audio, marks = stream
    segments: dict[int, list[Emission]] = {}
    for emission in run(spec, audio, marks, rules):
        segments.setdefault(emission.segment, []).append(emission)
    assert list(segments) == list(range(len(segments)))
    for emissions in segments.values():
        *earlier, last = emissions
        assert {emission.segment_start_sample for emission in emissions} == {
            last.segment_start_sample
        }
        assert all(emission.end is SegmentEnd.NONE for emission in earlier)
        for before, after in pairwise(emissions):
            assert after.first_frame == before.first_frame + before.log_probs.shape[0]
        frames = last.first_frame + last.log_probs.shape[0]
        assert frames <= MAX_FRAMES
        if last.end is SegmentEnd.MARK:
            assert last.next_sample == last.covered_sample == marks[last.next_mark - 1]
            assert frames == spec.frames_of(last.next_sample - last.segment_start_sample)
        elif last.end is SegmentEnd.ENDPOINT:
            given_back = last.covered_sample - last.next_sample
            assert 0 <= given_back <= rules.onset_margin * spec.frame_samples
            assert not (audio[last.next_sample : last.covered_sample] > 1).any()
    for segment, following in pairwise(segments.values()):
        assert following[0].segment_start_sample == segment[-1].next_sample
        assert following[0].first_frame == 0


@given(stream=streams())
def test_every_mark_is_answered_once_and_in_order(
    stream: Stream,
) -> None:
    spec, rules, audio, marks = stream
    answered = [e for e in run(spec, audio, marks, rules) if e.end is SegmentEnd.MARK]
    assert [emission.next_sample for emission in answered] == marks
    assert [emission.next_mark for emission in answered] == list(range(1, len(marks) + 1))


@given(stream=streams())
def test_every_frame_says_what_its_samples_name(
    stream: Stream,
) -> None:
    spec, rules, audio, marks = stream
    for emission in run(spec, audio, marks, rules):
        for row, log_probs in enumerate(emission.log_probs):
            frame = emission.first_frame + row
            sample = emission.segment_start_sample + frame * spec.frame_samples + 1
            named = audio[sample] if sample < emission.covered_sample else spec.blank
            assert log_probs.argmax() == named


def ends(emissions: list[Emission]) -> list[tuple[int, int, int, str]]:
    """(segment, frames, next sample, why) of each segment that ended."""
    return [
        (e.segment, e.first_frame + e.log_probs.shape[0], e.next_sample, e.end.name)
        for e in emissions
        if e.end is not SegmentEnd.NONE
    ]


@pytest.mark.parametrize("spec", SPECS)
def test_a_mark_with_no_audio_at_all(spec: ModelSpec) -> None:
    assert ends(run(spec, spoken(""), [0])) == [(0, 0, 0, "MARK")]


@pytest.mark.parametrize("spec", SPECS)
def test_two_marks_at_the_same_sample_are_two_finals(spec: ModelSpec) -> None:
    assert ends(run(spec, spoken("abc"), [6, 6])) == [(0, 3, 6, "MARK"), (1, 0, 6, "MARK")]


@pytest.mark.parametrize("spec", SPECS)
@pytest.mark.parametrize("chunks", [1, 2])
def test_a_mark_on_a_chunks_end_closes_the_segment(spec: ModelSpec, chunks: int) -> None:
    """One of the four holes of earlier drafts: it never did."""
    text = "abcda" * chunks
    at = 10 * chunks
    assert ends(run(spec, spoken(text + "ab"), [at])) == [(0, 5 * chunks, at, "MARK")]


@pytest.mark.parametrize("inside", range(6))
def test_a_mark_inside_the_look_ahead_is_the_end_of_what_the_chunk_sees(inside: int) -> None:
    """The chunk before it and what is left of the audio are both emitted."""
    at = 10 + inside
    emissions = run(CONTEXT, spoken("abcdabcdabcd"), [at])
    assert ends(emissions) == [(0, CONTEXT.frames_of(at), at, "MARK")]
    assert sum(e.log_probs.shape[0] for e in emissions) == CONTEXT.frames_of(at)


def test_less_audio_than_a_hop_has_no_frames() -> None:
    assert ends(run(NO_CONTEXT, spoken("a")[:1], [1])) == [(0, 0, 1, "MARK")]
    assert ends(run(CONTEXT, spoken("a")[:1], [1])) == [(0, 1, 1, "MARK")]


def test_a_mark_where_the_utterance_ends_by_itself_is_one_final() -> None:
    audio = spoken("ab" + "_" * 8)
    assert ends(run(CONTEXT, audio, [20])) == [(0, 10, 20, "MARK")]


def test_a_mark_is_not_waited_for() -> None:
    """Without look-ahead the chunk is complete before the mark at its end can be seen."""
    audio = spoken("ab" + "_" * 8)
    assert ends(run(NO_CONTEXT, audio, [20])) == [(0, 10, 14, "ENDPOINT"), (1, 3, 20, "MARK")]


def test_a_mark_after_the_utterances_end_is_a_final_of_its_own() -> None:
    """The next segment begins 3 frames, 6 samples, before the end at sample 20."""
    audio = spoken("ab" + "_" * 9)
    assert ends(run(NO_CONTEXT, audio, [22])) == [(0, 10, 14, "ENDPOINT"), (1, 4, 22, "MARK")]


def test_silence_before_a_mark_within_reach_ends_nothing() -> None:
    """It would leave a scrap of audio behind, to be decoded on its own."""
    audio = spoken("ab" + "_" * 9)
    assert ends(run(CONTEXT, audio, [22])) == [(0, 11, 22, "MARK")]


@pytest.mark.parametrize("spec", SPECS)
def test_an_utterance_is_cut_at_its_maximum_length(spec: ModelSpec) -> None:
    audio = spoken("ab" * MAX_FRAMES)
    maximum = 2 * MAX_FRAMES
    assert ends(run(spec, audio, [maximum + 14])) == [
        (0, MAX_FRAMES, maximum, "ENDPOINT"),
        (1, 7, maximum + 14, "MARK"),
    ]


@pytest.mark.parametrize("spec", SPECS)
def test_nothing_is_planned_before_the_look_ahead_has_arrived(spec: ModelSpec) -> None:
    worker = Worker(spec, spoken("abcdabcd"))
    needed = spec.chunk_samples + spec.right_samples
    assert not worker.step(needed - 1, [])
    assert worker.step(needed, [])
    assert not worker.step(needed, [])


def test_a_segments_window_begins_with_silence() -> None:
    """No sample of the segment before is seen, so that a replay from its start is exact."""
    audio = spoken("dddd" + "abcdabcd")
    early = run(CONTEXT, audio, [8, 24])
    late = run(CONTEXT, audio[8:], [16])
    assert [e.log_probs.tobytes() for e in early if e.segment == 1] == [
        e.log_probs.tobytes() for e in late
    ]


def test_the_first_chunk_of_each_segment_is_told_to_the_model() -> None:
    lane = Lane(CONTEXT, CHUNKS_ALONE, 1, START)
    firsts = []
    for head in (15, 25, 35):
        plan = lane.plan(head, None)
        assert plan is not None
        firsts.append(plan.first)
        log_probs = tiny_log_probs(np.full(22, 2, np.int16), (0, 22), first=True, spec=CONTEXT)
        lane.complete(plan, log_probs)
    assert firsts == [True, False, False]
    lane.resume(ResumePoint(1, 30, 0, 3, 30))
    plan = lane.plan(45, None)
    assert plan is not None
    assert (plan.first, plan.start) == (True, 30)


def test_an_emission_carries_the_sessions_epoch_and_segment() -> None:
    resume = ResumePoint(segment=7, sample=100, mark=3, emission=9, partial_sample=100)
    lane = Lane(CONTEXT, CHUNKS_ALONE, 5, resume)
    assert (lane.epoch, lane.mark, lane.segment_start) == (5, 3, 100)
    plan = lane.plan(100, 100)
    assert plan is not None
    emission = lane.complete(plan, np.empty((0, 6), np.float32))
    assert emission is not None
    assert (emission.epoch, emission.segment, emission.next_mark) == (5, 7, 4)
    assert not emission.has_speech


def test_a_step_hurries_where_the_mark_that_is_waited_for_is_near() -> None:
    chunk, needed = CONTEXT.chunk_samples, CONTEXT.chunk_samples + CONTEXT.right_samples
    head = 10 * needed
    for mark, hurries in (
        (None, False),
        (5 * needed, False),
        (needed + chunk, False),
        (needed + chunk - 1, True),
        (needed - 1, True),
        (1, True),
    ):
        plan = Lane(CONTEXT, CHUNKS_ALONE, 1, START).plan(head, mark)
        assert plan is not None
        assert plan.hurries is hurries, mark


def decisions(text: str, rules: EndpointRules, spec: ModelSpec = TINY) -> list[tuple[int, int]]:
    """(next sample, decided at) of every endpoint in ``text``, with no mark in sight."""
    worker = Worker(spec, spoken(text), rules=rules)
    worker.finish([])
    return [
        (emission.next_sample, decided)
        for emission, decided in zip(worker.emissions, worker.decided, strict=True)
        if emission.end is SegmentEnd.ENDPOINT
    ]


def test_quiet_ends_an_utterance_before_its_chunk_is_complete() -> None:
    """4 letters, 8 frames of silence; the chunk alone would end with its look-ahead at 69.

    The difference of neighbours is smoothed over 5 samples, so it is quiet a little later than it
    is silent.
    """
    text = "abcd" + "_" * 40
    assert decisions(text, CHUNKS_ALONE) == [(2 * (12 - 3), TINY.chunk_samples + 5)]
    ((resumed, decided),) = decisions(text, EARLY)
    assert resumed == 2 * (12 - 3)
    assert 2 * 12 <= decided <= 2 * 12 + 5


def test_it_is_not_ended_before_the_model_was_silent_for_long_enough() -> None:
    """The held letter sounds quiet: asked, denied, and asked again when it may be over."""
    worker = Worker(TINY, spoken("abcddddd" + "_" * 40), rules=EARLY)
    worker.finish([])
    assert worker.denied >= 1
    assert worker.decided[0] >= 2 * (8 + 8)
    assert worker.emissions[0].end is SegmentEnd.ENDPOINT
    assert worker.decided[0] < TINY.chunk_samples


@pytest.mark.parametrize("spec", SPECS)
def test_a_question_denied_leaves_no_trace(spec: ModelSpec) -> None:
    audio = spoken("ab" + "c" * 30 + "d" * 30 + "ab")
    asked = Worker(spec, audio, rules=EARLY)
    alone = Worker(spec, audio)
    end = [audio.shape[0]]
    assert comparable(asked.finish(end)) == comparable(alone.finish(end))
    assert asked.denied > 0


def test_a_mark_before_the_quiet_is_long_enough_comes_first() -> None:
    audio = spoken("ab" + "_" * 20)
    assert ends(run(TINY, audio, [18], EARLY))[0] == (0, 9, 18, "MARK")


def test_quiet_before_a_mark_ends_the_utterance_and_the_mark_what_is_left() -> None:
    """Whether or not the mark could be seen when it went quiet."""
    audio = spoken("ab" + "_" * 20)
    (utterance, rest) = ends(run(TINY, audio, [40], EARLY))
    assert (utterance[0], utterance[3]) == (0, "ENDPOINT")
    assert (rest[0], rest[2:]) == (1, (40, "MARK"))


def test_an_utterance_in_noise_ends_with_its_chunk() -> None:
    """The samples say nothing, but never stay the same: the model alone hears the silence."""
    audio = spoken("abcd" + "_ " * 20)
    worker = Worker(TINY, audio, rules=EARLY)
    worker.finish([])
    assert worker.decided[0] == TINY.chunk_samples + TINY.right_samples
    assert worker.emissions[0].end is SegmentEnd.ENDPOINT
    assert worker.denied == 0


def test_the_maximum_length_is_left_to_the_chunks() -> None:
    """Quiet in the model's eyes too, but the utterance is cut at the same frame all the same."""
    rules = replace(EARLY, max_frames=10)
    worker = Worker(TINY, spoken("ab" + "_" * 40), rules=rules)
    worker.finish([])
    assert worker.emissions[0].log_probs.shape[0] == 10
    assert worker.decided[0] == TINY.chunk_samples + TINY.right_samples


def test_audio_is_to_be_heard_before_it_is_planned() -> None:
    lane = Lane(TINY, EARLY, 1, START)
    head = TINY.chunk_samples + TINY.right_samples
    assert lane.unheard(head + 100, None) == (0, head)
    with pytest.raises(AssertionError, match="heard before"):
        lane.plan(head, None)
    lane.listen(spoken("abcdabcd" * 5)[:head])
    assert lane.unheard(head + 100, None) is None
    assert lane.plan(head, None) is not None


BUNDLED = ModelSpec.load(BUNDLED_MODEL)


@pytest.mark.parametrize("late_ms", [0, 80, 160])
def test_a_question_that_is_due_after_the_next_chunk_is_still_put(late_ms: int) -> None:
    """The model falls silent after the audio does; wherever the chunks lie, the end is in time."""
    rng = np.random.default_rng(0)
    for end in range(24_000, 24_000 + BUNDLED.chunk_samples, 640):
        audio = np.zeros(80_000, np.int16)
        audio[:end] = rng.integers(-9_000, 9_000, end)
        model_end = end + 16 * late_ms
        delay_ms = (_ended_at(audio, model_end) - model_end) / 16
        assert delay_ms <= 600 + 80, f"speech up to {end}"


def _ended_at(audio: Audio, model_end: int) -> int:
    """The sample that decides, where the bundled model hears a letter up to ``model_end``."""
    lane = Lane(BUNDLED, EndpointRules.of_model(BUNDLED), 1, START)
    frame = 0
    for head in range(0, len(audio), 1_280):
        while True:
            unheard = lane.unheard(head, None)
            if unheard is not None:
                lane.listen(audio[slice(*unheard)])
            plan = lane.plan(head, None)
            if plan is None:
                break
            starts = (frame + np.arange(plan.frames)) * BUNDLED.frame_samples
            log_probs = np.full((plan.frames, len(BUNDLED.vocabulary)), -20, np.float32)
            log_probs[np.arange(plan.frames), np.where(starts < model_end, 5, BUNDLED.blank)] = 0
            emission = lane.complete(plan, log_probs)
            if emission is not None and emission.end is not SegmentEnd.NONE:
                return plan.stop
            frame += 0 if emission is None else plan.frames
    raise AssertionError("the utterance never ended")


def test_a_pause_tells_what_its_final_will_ask() -> None:
    """Whatever was announced while it was quiet is what the end of that pause says."""
    rng = np.random.default_rng(1)
    audio = np.zeros(16_000 * 6, np.int16)
    for begin, end in ((4_000, 20_000), (27_000, 40_000)):  # 440 ms between, then the end
        audio[begin:end] = rng.integers(-9_000, 9_000, end - begin)
    lane = Lane(BUNDLED, EndpointRules.of_model(BUNDLED), 1, START)
    announced: list[tuple[int, int]] = []
    for head in range(0, len(audio), 320):
        while (unheard := lane.unheard(head, None)) is not None:
            lane.listen(audio[slice(*unheard)])
            if lane.pause is not None and lane.pause not in announced:
                announced.append(lane.pause)
            break
        plan = lane.plan(head, None)
        if plan is None:
            continue
        log_probs = np.full((plan.frames, len(BUNDLED.vocabulary)), -20, np.float32)
        starts = lane.segment_start + (lane._frame + np.arange(plan.frames)) * BUNDLED.frame_samples
        speaks = (starts < 20_000) | ((starts >= 27_000) & (starts < 40_000))
        log_probs[np.arange(plan.frames), np.where(speaks, 5, BUNDLED.blank)] = 0
        emission = lane.complete(plan, log_probs)
        if emission is not None and emission.end is SegmentEnd.ENDPOINT:
            break
    assert [start for start, _ in announced] == [0, 0]
    assert announced[-1][1] == emission.heard_sample < emission.covered_sample
    assert all(
        end + 200 * 16 <= stop <= end + 400 * 16
        for end, (_, stop) in zip((20_000, 40_000), announced, strict=True)
    )


def test_soft_words_that_sound_quiet_are_heard_all_the_same() -> None:
    """A pause of the audio is none of the utterance where the model hears letters in it."""
    rng = np.random.default_rng(2)
    audio = np.zeros(16_000 * 4, np.int16)
    audio[:16_000] = rng.integers(-9_000, 9_000, 16_000)
    mark = 16_000 * 2
    lane = Lane(BUNDLED, EndpointRules.of_model(BUNDLED), 1, START)
    last = None
    while last is None or last.end is SegmentEnd.NONE:
        while (unheard := lane.unheard(mark, mark)) is not None:
            lane.listen(audio[slice(*unheard)])
        plan = lane.plan(mark, mark)
        assert plan is not None
        log_probs = np.full((plan.frames, len(BUNDLED.vocabulary)), -20, np.float32)
        log_probs[:, 5] = 0
        last = lane.complete(plan, log_probs) or last
    assert lane.pause is None
    assert last.heard_sample == last.covered_sample == mark
