from __future__ import annotations

import itertools

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tools.loadtest.schedule import (
    CHUNK_CYCLE_S,
    SHORTEST_EXCERPT_S,
    ClipSchedule,
    message_samples,
    playlist,
    staggered_starts,
)

RATES = st.sampled_from([8000, 16000])
SCHEDULES = st.builds(ClipSchedule, st.floats(0, 1e5), st.integers(1, 200_000), RATES)


def test_the_message_sizes_are_the_protocols() -> None:
    assert 2 * message_samples(8000) == 2048
    assert 2 * message_samples(16000) == 4096


@given(SCHEDULES)
def test_messages_cover_every_sample_once_and_only_the_last_is_short(
    schedule: ClipSchedule,
) -> None:
    messages = list(schedule.messages())
    size = message_samples(schedule.rate_hz)
    assert messages[0].first == 0
    assert messages[-1].end == schedule.samples
    for message, following in itertools.pairwise(messages):
        assert following.first == message.end
        assert message.end - message.first == size
    assert 0 < messages[-1].end - messages[-1].first <= size


@given(SCHEDULES)
def test_a_message_is_due_when_its_last_sample_was_spoken(schedule: ClipSchedule) -> None:
    for message in schedule.messages():
        assert message.due_s == schedule.start_s + message.end / schedule.rate_hz
    assert message.due_s == schedule.done_due_s


@given(SCHEDULES, st.data())
def test_a_sample_is_due_with_the_message_that_holds_it(
    schedule: ClipSchedule, data: st.DataObject
) -> None:
    end = data.draw(st.integers(1, schedule.samples))
    holder = next(m for m in schedule.messages() if m.first < end <= m.end)
    assert schedule.due_s(end) == holder.due_s


@given(SCHEDULES)
def test_places_outside_the_clip_are_due_with_its_ends(schedule: ClipSchedule) -> None:
    assert schedule.due_s(-5) == schedule.due_s(0) == next(schedule.messages()).due_s
    assert schedule.due_s(schedule.samples + 5) == schedule.done_due_s


@given(st.integers(1, 500), st.integers(0, 2**32))
def test_starts_are_spread_evenly_over_at_least_a_chunk(streams: int, seed: int) -> None:
    starts = staggered_starts(streams, np.random.default_rng(seed))
    window_s = max(CHUNK_CYCLE_S, streams * 0.01)
    parts = sorted(int(start / window_s * streams) for start in starts)
    assert parts == list(range(streams))
    assert starts == staggered_starts(streams, np.random.default_rng(seed))


@given(
    st.lists(st.integers(1, 100_000), min_size=1, max_size=30),
    st.floats(0.01, 100),
    RATES,
    st.integers(0, 2**32),
)
def test_a_playlist_fills_the_duration_and_repeats_no_clip_early(
    lengths: list[int], duration_s: float, rate_hz: int, seed: int
) -> None:
    lengths = [max(length, rate_hz // 20) for length in lengths]  # keeps the test fast
    excerpts = playlist(lengths, duration_s, rate_hz, np.random.default_rng(seed))
    wanted = round(duration_s * rate_hz)
    played = sum(excerpt.samples for excerpt in excerpts)
    assert wanted - SHORTEST_EXCERPT_S * rate_hz < played <= wanted
    *_, last = excerpts
    assert len(excerpts) == 1 or last.samples >= min(lengths[last.clip], rate_hz)
    assert all(excerpt.samples == lengths[excerpt.clip] for excerpt in excerpts[:-1])
    for round_start in range(0, len(excerpts), len(lengths)):
        one_round = [e.clip for e in excerpts[round_start : round_start + len(lengths)]]
        assert len(set(one_round)) == len(one_round)
