"""The command `loadtest`: options, audio, run, report, exit status."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

import numpy as np

from tools.loadtest.clips import AudioError, load_clips
from tools.loadtest.options import Options, UsageError, parse_options
from tools.loadtest.report import Run, document, table
from tools.loadtest.runner import run_streams
from tools.loadtest.schedule import playlist, staggered_starts
from tools.loadtest.stream import Target
from tools.loadtest.tally import Fault, Tally
from tools.loadtest.verdict import judge

BOUNDS_HOLD: Final = 0
BOUNDS_MISSED: Final = 1
NO_RUN: Final = 2
INTERRUPTED: Final = 130


def main(argv: Sequence[str] | None = None) -> int:
    """Runs a load test and returns its exit status."""
    try:
        options = parse_options(argv)
        return _report(_run(options))
    except (UsageError, AudioError) as error:
        print(f"loadtest: {error}", file=sys.stderr)
        return NO_RUN
    except KeyboardInterrupt:  # before there was anything to report
        return INTERRUPTED


def _run(options: Options) -> Run:
    orders, starts, playlists = (np.random.default_rng([options.seed, use]) for use in range(3))
    rate_hz = options.sample_rate_hz
    enough_s = options.streams * options.duration_s
    clips = load_clips(options.audio, rate_hz, options.duration_s, enough_s, orders)
    lengths = [clip.samples for clip in clips]
    target = Target(options.request_url, rate_hz, options.timeout_s, clips)
    tally = Tally()
    run = run_streams(
        target,
        staggered_starts(options.streams, starts),
        [playlist(lengths, options.duration_s, rate_hz, playlists) for _ in range(options.streams)],
        tally,
    )
    started_at = datetime.now(UTC)
    interrupted = False
    try:
        asyncio.run(run)
    except KeyboardInterrupt:
        interrupted = True
    return Run(options, started_at, tally, judge(tally, options.bounds), interrupted)


def _report(run: Run) -> int:
    options = run.options
    unreachable = run.tally.faults[Fault.UNREACHABLE]
    if unreachable.total() == options.streams:
        raise UsageError(f"cannot connect to {options.url}: {next(iter(unreachable))}")
    print(table(run))
    try:
        if options.json_path is not None:
            options.json_path.write_text(json.dumps(document(run)) + "\n", encoding="utf-8")
        if options.plot_path is not None:
            from tools.loadtest.plot import draw  # noqa: PLC0415 - matplotlib only when asked for

            draw(run, options.plot_path)
    except OSError as error:
        raise UsageError(f"the results cannot be written: {error}") from error
    if run.interrupted:
        return INTERRUPTED
    return BOUNDS_HOLD if run.holds else BOUNDS_MISSED
