"""All streams of a run at once, on one event loop, with a progress line on stderr."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from typing import Final

from tools.loadtest.gathering import Gathering
from tools.loadtest.schedule import Excerpt
from tools.loadtest.statistics import summarise
from tools.loadtest.stream import StreamPlan, Target, play_stream
from tools.loadtest.tally import Metric, Tally

LINE_EVERY_S: Final = 1.0
LOG_LINE_EVERY_S: Final = 15.0
"""Where stderr is no terminal, a line that overwrites itself is no use: fewer lines instead."""


async def run_streams(
    target: Target,
    starts_s: Sequence[float],
    playlists: Sequence[Sequence[Excerpt]],
    tally: Tally,
    gathering: Gathering,
) -> None:
    """Plays every stream to its end. `tally` also holds what there is when this is cancelled."""
    tally.started_s = tally.ended_s = _now_s()
    try:
        async with asyncio.TaskGroup() as group:
            progress = group.create_task(_show_progress(tally, len(playlists)))
            streams = [
                group.create_task(
                    play_stream(
                        StreamPlan(number, tally.started_s + start_s, excerpts),
                        target,
                        tally,
                        gathering,
                    )
                )
                for number, (start_s, excerpts) in enumerate(
                    zip(starts_s, playlists, strict=True), start=1
                )
            ]
            await asyncio.gather(*streams)
            progress.cancel()
    finally:
        tally.ended_s = _now_s()


async def _show_progress(tally: Tally, streams: int) -> None:
    is_terminal = sys.stderr.isatty()
    begin, end = ("\r\x1b[2K", "") if is_terminal else ("", "\n")
    try:
        while True:
            await asyncio.sleep(LINE_EVERY_S if is_terminal else LOG_LINE_EVERY_S)
            line = progress_line(tally, streams, _now_s() - tally.started_s)
            print(begin + line, end=end, file=sys.stderr, flush=True)
    finally:
        if is_terminal:
            print(begin, end="", file=sys.stderr, flush=True)


def progress_line(tally: Tally, streams: int, elapsed_s: float) -> str:
    """How the run stands, in less than a terminal's width."""
    done_final = summarise(tally.measured(Metric.DONE_FINAL).values_ms)
    latency = f", done to final p99 {done_final.p99:.0f} ms" if done_final else ""
    faults = tally.lost_finals + sum(reasons.total() for reasons in tally.faults.values())
    return (
        f"{elapsed_s:4.0f} s: {tally.streams_ready} of {streams} streams ready, "
        f"{tally.streams_ended} ended, {tally.partials} partials, {tally.finals} finals, "
        f"{faults} faults{latency}"
    )


def _now_s() -> float:
    return asyncio.get_running_loop().time()
