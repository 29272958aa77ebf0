from __future__ import annotations

import asyncio

import pytest

from tests.tools.loadtest.fake_server import Behaviour, FakeServer
from tools.loadtest.clips import Clip
from tools.loadtest.gathering import Gathering
from tools.loadtest.runner import progress_line, run_streams
from tools.loadtest.schedule import ClipSchedule, Excerpt
from tools.loadtest.stream import Target
from tools.loadtest.tally import Fault, Tally, Turn

CLIP = Clip("clip", bytes(3200), "said")  # 0.2 s at 8 kHz


def test_the_progress_line_tells_what_matters() -> None:
    turn = Turn(1, "clip", None, ClipSchedule(0.0, 8000, 8000), 0, answer_s=1.25)
    lost = Turn(1, "clip", None, ClipSchedule(3.0, 8000, 8000), 8000, lost=True)
    tally = Tally(turns=[turn, lost], streams_ready=5, streams_ended=1, partials=7, finals=2)
    tally.note(Fault.ERROR, "any")
    assert progress_line(tally, 6, 12.3) == (
        "  12 s: 5 of 6 streams ready, 1 ended, 7 partials, 2 finals, 2 faults, "
        "done to final p99 250 ms"
    )
    assert progress_line(Tally(), 6, 1).endswith("0 faults")


def test_every_stream_plays_its_list_and_the_run_is_timed() -> None:
    tally = Tally()
    with FakeServer(Behaviour()) as server:
        target = Target(server.url, 8000, 30.0, [CLIP])
        playlists = [[Excerpt(0, 1600)], [Excerpt(0, 800)], [Excerpt(0, 1600)]]
        asyncio.run(run_streams(target, [0.0, 0.1, 0.05], playlists, tally, Gathering(3)))
    played = sorted((turn.stream, turn.schedule.samples) for turn in tally.turns)
    assert played == [(1, 1600), (2, 800), (3, 1600)]
    transcripts = {turn.schedule.samples: turn.reference for turn in tally.turns}
    assert transcripts == {1600: "said", 800: None}  # what was cut has none
    assert tally.streams_ready == tally.streams_ended == 3
    assert all(turn.answer_s is not None for turn in tally.turns)
    assert tally.started_s < tally.ended_s
    assert not any(tally.faults.values())


def test_a_cancelled_run_leaves_what_there_is() -> None:
    tally = Tally()

    async def cancelled_early(server: FakeServer) -> None:
        target = Target(server.url, 8000, 30.0, [CLIP])
        playlists = [[Excerpt(0, 1600)] * 1000]
        run = asyncio.create_task(run_streams(target, [0.0], playlists, tally, Gathering(1)))
        await asyncio.to_thread(server.audio_came.wait, 30)
        run.cancel()
        with pytest.raises(asyncio.CancelledError):
            await run

    with FakeServer(Behaviour()) as server:
        asyncio.run(cancelled_early(server))
    assert len(tally.turns) == 1
    assert tally.lost_finals == 0
    assert tally.ended_s > tally.started_s
