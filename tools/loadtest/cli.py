"""The command `loadtest`: options, audio, run, report, exit status."""

from __future__ import annotations

import asyncio
import json
import math
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import numpy as np

from tools.loadtest.capacity import (
    Capacity,
    capacity_document,
    conclusion,
    trial_header,
    trial_line,
)
from tools.loadtest.clips import AudioError, load_clips
from tools.loadtest.gathering import Gathering
from tools.loadtest.options import Options, UsageError, parse_options
from tools.loadtest.report import Run, document, table
from tools.loadtest.runner import run_streams
from tools.loadtest.schedule import playlist, staggered_starts
from tools.loadtest.search import Search
from tools.loadtest.stream import Target
from tools.loadtest.tally import Fault, Tally
from tools.loadtest.verdict import judge

BOUNDS_HOLD: Final = 0
BOUNDS_MISSED: Final = 1
NO_RUN: Final = 2
INTERRUPTED: Final = 130
BETWEEN_TRIALS_S: Final = 2.0
"""Until the server has noticed that the streams of the last trial are gone."""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs a load test and returns its exit status."""
    try:
        options = parse_options(argv)
        return _find_capacity(options) if options.find_max else _report(_run(options))
    except (UsageError, AudioError) as error:
        print(f"loadtest: {error}", file=sys.stderr)
        return NO_RUN
    except KeyboardInterrupt:  # before there was anything to report
        return INTERRUPTED


def _run(options: Options) -> Run:
    orders, starts, playlists = (np.random.default_rng([options.seed, use]) for use in range(3))
    rate_hz = options.sample_rate_hz
    longest_s = options.duration_s + options.patience_s
    enough_s = options.streams * longest_s
    clips = load_clips(options.audio, rate_hz, options.duration_s, enough_s, orders)
    lengths = [clip.samples for clip in clips]
    target = Target(
        options.request_url,
        rate_hz,
        options.timeout_s,
        clips,
        options.protocol,
        options.api_key,
        options.patience_s,
    )
    tally = Tally()
    run = run_streams(
        target,
        staggered_starts(options.streams, starts),
        [playlist(lengths, longest_s, rate_hz, playlists) for _ in range(options.streams)],
        tally,
        Gathering(options.streams, options.duration_s if options.patience_s else math.inf),
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
    _check_reached(run)
    print(table(run))
    with _writing():
        if options.json_path is not None:
            _write_json(options.json_path, document(run))
        if options.plot_path is not None:
            from tools.loadtest.plot import draw  # noqa: PLC0415 - matplotlib only when asked for

            draw(run, options.plot_path)
    if run.interrupted:
        return INTERRUPTED
    return BOUNDS_HOLD if run.holds else BOUNDS_MISSED


def _find_capacity(options: Options) -> int:
    """Trial after trial, a line each, and what they come to."""
    search = Search(options.streams, options.most_streams)
    runs: list[Run] = []
    print(trial_header())
    while (streams := search.streams) is not None:
        if runs:
            time.sleep(BETWEEN_TRIALS_S)
        run = _run(replace(options, streams=streams))
        _check_reached(run)
        runs.append(run)
        print(trial_line(run), flush=True)
        if run.interrupted:
            break
        search.tell(streams, holds=run.holds)
    found = Capacity(runs, search.held, search.missed, runs[-1].interrupted)
    print(f"\n{conclusion(found)}")
    with _writing():
        if options.json_path is not None:
            _write_json(options.json_path, capacity_document(found))
        if options.plot_path is not None:
            from tools.loadtest.plot import draw_capacity  # noqa: PLC0415 - as above

            draw_capacity(found, options.plot_path)
    if found.interrupted:
        return INTERRUPTED
    return BOUNDS_HOLD if found.held >= options.streams else BOUNDS_MISSED


def _check_reached(run: Run) -> None:
    unreachable = run.tally.faults[Fault.UNREACHABLE]
    if unreachable.total() == run.options.streams:
        raise UsageError(f"cannot connect to {run.options.url}: {next(iter(unreachable))}")


def _write_json(path: Path, content: dict[str, object]) -> None:
    path.write_text(json.dumps(content) + "\n", encoding="utf-8")


@contextmanager
def _writing() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UsageError(f"the results cannot be written: {error}") from error
