from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpu_worker.endpointing import Endpointer, EndpointRules, EndpointTimes
from gpu_worker.quiet import AUDIBLE_DIFFERENCE_RMS
from models import ECHO_MODEL
from models.spec import ModelSpec
from shm.layout import MAX_SEGMENT_S
from tests.gpu_worker.tiny import TINY

RULES = EndpointRules(
    silent_tokens=(0, 1),
    trailing_silence=8,
    nothing_spoken=20,
    long_after=40,
    long_trailing_silence=3,
    onset_margin=3,
    max_frames=60,
    early=True,
    audible_difference_rms=0,
)
speech_patterns = st.lists(
    st.tuples(st.booleans(), st.integers(1, 25)), min_size=1, max_size=12
).map(lambda runs: [spoken for spoken, frames in runs for _ in range(frames)])


def end_of(pattern: str, rules: EndpointRules = RULES) -> int | None:
    """Where the utterance "xx__x..." ends: x is a spoken frame."""
    return Endpointer(rules).end_in(np.array([frame == "x" for frame in pattern]))


def test_the_bundled_models_rules_are_the_documented_times() -> None:
    rules = EndpointRules.of_model(ModelSpec.load(ECHO_MODEL))
    assert rules == EndpointRules(
        silent_tokens=(0, 1),
        trailing_silence=15,
        nothing_spoken=125,
        long_after=350,
        long_trailing_silence=8,
        onset_margin=8,
        max_frames=MAX_SEGMENT_S * 25,
        early=True,
        audible_difference_rms=AUDIBLE_DIFFERENCE_RMS,
    )


def test_settings_become_frames_of_the_model() -> None:
    times = EndpointTimes(trailing_silence_ms=240, nothing_spoken_ms=2_000)
    rules = EndpointRules.of_model(ModelSpec.load(ECHO_MODEL), times, early=False)
    assert (rules.trailing_silence, rules.nothing_spoken, rules.early) == (6, 50, False)
    assert rules.long_trailing_silence == 6, "never longer than in a short utterance"


@pytest.mark.parametrize(
    ("name", "value", "range_"),
    [
        ("trailing_silence_ms", 199, "200 to 5000"),
        ("trailing_silence_ms", 5_001, "200 to 5000"),
        ("nothing_spoken_ms", 999, "1000 to 20000"),
        ("nothing_spoken_ms", 20_001, "1000 to 20000"),
    ],
)
def test_a_time_out_of_range_is_refused(name: str, value: int, range_: str) -> None:
    with pytest.raises(ValueError, match=f"{name} must be from {range_}, not {value}"):
        EndpointTimes(**{name: value})


def test_every_rule_is_at_least_a_frame_long() -> None:
    rules = EndpointRules.of_model(replace(TINY, sample_rate_hz=1, frame_samples=4))
    assert rules.trailing_silence == rules.long_trailing_silence == rules.onset_margin == 1


def test_word_pieces_without_a_space_have_the_blank_alone() -> None:
    pieces = replace(TINY, vocabulary=("▁the", "▁a", "s", ""), blank=3)
    assert EndpointRules.of_model(pieces).silent_tokens == (3,)


@pytest.mark.parametrize(
    ("pattern", "end"),
    [
        ("x" + "_" * 7, None),
        ("x" + "_" * 8, 9),
        ("x" + "_" * 7 + "x" + "_" * 8, 17),
        ("_" * 19, None),
        ("_" * 20, 20),
        ("_" * 19 + "x" + "_" * 8, 28),
        ("x" * 40 + "__", None),
        ("x" * 40 + "___", 43),
        ("x" * 36 + "____", 40),  # long silence enough as soon as the utterance is long
        ("x" * 59, None),
        ("x" * 60, 60),
        ("x" * 90, 60),
        ("", None),
    ],
)
def test_where_an_utterance_ends(pattern: str, end: int | None) -> None:
    assert end_of(pattern) == end


def test_where_silence_does_not_count_the_maximum_length_does() -> None:
    endpointer = Endpointer(RULES)
    assert endpointer.end_in(np.zeros(59, np.bool_), at_silence=False) is None
    assert endpointer.end_in(np.zeros(2, np.bool_), at_silence=False) == 1


@given(speech=speech_patterns, cuts=st.lists(st.integers(0, 300)))
def test_any_split_ends_at_the_same_frame(speech: list[bool], cuts: list[int]) -> None:
    whole = Endpointer(RULES)
    expected = whole.end_in(np.array(speech))
    parts = Endpointer(RULES)
    edges = [0, *sorted(min(cut, len(speech)) for cut in cuts), len(speech)]
    found = None
    for begin, end in pairwise(edges):
        count = parts.end_in(np.array(speech[begin:end], np.bool_))
        if count is not None:
            found = begin + count
            break
    assert found == expected
    assert parts.frames_given_back() == whole.frames_given_back()


@given(speech=speech_patterns)
def test_it_ends_where_it_said_that_it_would(speech: list[bool]) -> None:
    """`ends_at` is asked after every frame: told in silence after speech, and then kept to."""
    endpointer = Endpointer(RULES)
    for frame, spoken in enumerate(speech):
        told = endpointer.ends_at
        assert (told is None) == (not any(speech[:frame]) or speech[frame - 1])
        ended = endpointer.end_in(np.array([spoken])) is not None
        if told is not None and not spoken and not endpointer.is_full:
            # A long utterance needs less silence: it may end sooner than told, never later.
            assert ended >= (frame + 1 >= told)
            assert frame + 1 <= told or frame + 1 >= RULES.long_after
        if ended:
            return


@given(speech=speech_patterns, more=speech_patterns)
def test_a_copy_goes_its_own_way(speech: list[bool], more: list[bool]) -> None:
    endpointer = Endpointer(RULES)
    endpointer.end_in(np.array(speech))
    before = endpointer.ends_at
    tried = endpointer.copy()
    assert tried.ends_at == before
    tried.end_in(np.array(more))
    assert endpointer.ends_at == before


@given(speech=speech_patterns)
def test_the_next_utterance_hears_silence_only_and_always_gets_further(speech: list[bool]) -> None:
    endpointer = Endpointer(RULES)
    end = endpointer.end_in(np.array(speech))
    if end is not None:
        given_back = endpointer.frames_given_back()
        assert 0 <= given_back <= RULES.onset_margin
        assert given_back < end
        assert not any(speech[end - given_back : end])


@given(speech=speech_patterns)
def test_no_utterance_is_longer_than_the_maximum(speech: list[bool]) -> None:
    end = Endpointer(RULES).end_in(np.array(speech))
    assert end is not None or len(speech) < RULES.max_frames
    assert end is None or end <= RULES.max_frames


@given(first=speech_patterns, second=speech_patterns)
def test_nothing_of_an_utterance_is_left_after_a_reset(
    first: list[bool], second: list[bool]
) -> None:
    endpointer = Endpointer(RULES)
    endpointer.end_in(np.array(first))
    endpointer.reset()
    fresh = Endpointer(RULES)
    assert endpointer.end_in(np.array(second)) == fresh.end_in(np.array(second))
    assert endpointer.frames_given_back() == fresh.frames_given_back()


def test_a_frame_is_speech_unless_blank_or_space_is_likeliest() -> None:
    log_probs = np.log(
        np.array([[0.5, 0.3, 0.2], [0.1, 0.8, 0.1], [0.3, 0.3, 0.4], [0.0, 0.1, 0.9]], np.float32)
        + 1e-9
    )
    assert Endpointer(RULES).speech(log_probs).tolist() == [False, False, True, True]


def test_no_frames_hold_no_speech() -> None:
    endpointer = Endpointer(RULES)
    assert endpointer.end_in(endpointer.speech(np.empty((0, 3), np.float32))) is None
