from __future__ import annotations

import itertools
import threading
import time
from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from gpu_worker.stepper import (
    PADDING_ROW,
    EagerStepper,
    Stepper,
    ThreadedStepper,
    _Staging,
    make_stepper,
    streams_in_real_time,
)
from tests.gpu_worker.tiny import TINY

CPU = torch.device("cpu")
ROWS = 4
FRAMES = TINY.chunk_frames


class RunningSum:
    """A model with a row of state per slot: the sum of all samples since its segment began.

    It answers with that sum in the first token of every frame, and the span in the next two.
    """

    def __init__(self) -> None:
        self.sums = torch.zeros(ROWS, dtype=torch.int64)
        self.batches: list[int] = []

    def step(
        self, pcm: torch.Tensor, span: torch.Tensor, rows: torch.Tensor, first: torch.Tensor
    ) -> torch.Tensor:
        self.batches.append(pcm.shape[0])
        before = torch.where(first, 0, self.sums[rows])
        sums = before + pcm.sum(1, dtype=torch.int64)
        self.sums[rows] = sums
        out = torch.zeros(pcm.shape[0], FRAMES, len(TINY.vocabulary))
        out[:, :, 0] = sums[:, None]
        out[:, :, 1:3] = span[:, None]
        return out


def stepped(stepper: Stepper, *items: tuple[int, int, bool]) -> list[float]:
    """Runs windows of ``(row, first sample, first)`` and gives each item's sum."""
    for item, (row, value, first) in enumerate(items):
        window = stepper.stage(item, row, first=first)
        window[0] = value
        stepper.bound(item, 0, 1)
    log_probs = stepper.run(len(items))
    assert log_probs.shape == (len(items), FRAMES, len(TINY.vocabulary))
    return [float(total) for total in log_probs[:, 0, 0]]


@pytest.fixture
def model() -> RunningSum:
    return RunningSum()


@pytest.fixture
def stepper(model: RunningSum) -> EagerStepper:
    stepper = EagerStepper(model, TINY, 3, CPU)
    model.batches.clear()
    return stepper


def test_each_row_keeps_its_own_state(stepper: EagerStepper) -> None:
    assert stepped(stepper, (1, 10, True), (2, 200, True)) == [10, 200]
    assert stepped(stepper, (2, 1, False), (3, 7, True), (1, 5, False)) == [201, 7, 15]
    assert stepped(stepper, (1, 1, False)) == [16]


def test_a_first_chunk_forgets_the_segment_before(stepper: EagerStepper) -> None:
    assert stepped(stepper, (1, 10, True), (2, 20, True)) == [10, 20]
    assert stepped(stepper, (1, 3, True), (2, 3, False)) == [3, 23]


def test_warming_up_leaves_no_state_behind(model: RunningSum) -> None:
    EagerStepper(model, TINY, 3, CPU)
    assert not model.sums.any()
    assert set(model.batches) == {1, 3}, "the shapes at both ends were run"


def test_only_the_items_in_use_are_run(stepper: EagerStepper, model: RunningSum) -> None:
    stepped(stepper, (1, 1, True), (2, 1, True), (3, 1, True))
    stepped(stepper, (1, 1, False))
    assert model.batches == [3, 1]
    assert model.sums.tolist() == [0, 2, 1, 1]


def test_a_window_is_silence_until_it_is_filled(stepper: EagerStepper) -> None:
    stepper.stage(0, 1, first=True)[:] = 7
    window = stepper.stage(0, 1, first=True)
    assert window.shape == (TINY.window_samples,)
    assert not window.any()


def test_the_span_reaches_the_model(stepper: EagerStepper) -> None:
    for item, (begin, end) in enumerate([(0, 5), (3, 9)]):
        stepper.stage(item, item + 1, first=True)
        stepper.bound(item, begin, end)
    assert stepper.run(2)[:, 0, 1:3].tolist() == [[0, 5], [3, 9]]


def test_what_is_staged_again_replaces_what_was_there(stepper: EagerStepper) -> None:
    """As when a lane's copy is thrown away and the next lane takes its item."""
    stepper.stage(0, 1, first=True)[0] = 50
    assert stepped(stepper, (2, 6, True)) == [6]
    assert stepped(stepper, (1, 1, False)) == [1], "row 1 was not run"


def test_unused_items_are_pointed_at_the_padding_row() -> None:
    """Where the whole batch is always run, as a graph does, they must not touch a slot's row."""
    staging, model = _Staging(TINY, 3, pinned=False), RunningSum()
    for item in range(3):
        staging.stage(item, item + 1, first=True)[0] = 10
    model.step(*staging.inputs)
    staging.stage(0, 1, first=False)[0] = 1
    staging.pad(1)
    model.step(*staging.inputs)
    assert model.sums[1:].tolist() == [11, 10, 10]
    assert PADDING_ROW == 0


def test_a_cpu_gets_the_threaded_stepper(model: RunningSum) -> None:
    stepper = make_stepper(model, TINY, 2, CPU)
    assert isinstance(stepper, ThreadedStepper)
    assert stepper.batch == 2
    assert not model.sums.any(), "warming up leaves no state behind"


def test_on_a_cpu_each_window_is_computed_by_itself(model: RunningSum) -> None:
    stepper = ThreadedStepper(model, TINY, 3)
    assert stepped(stepper, (1, 10, True), (2, 200, True)) == [10, 200]
    assert stepped(stepper, (2, 1, False), (3, 7, True), (1, 5, False)) == [201, 7, 15]
    assert set(model.batches) == {1}


def test_all_threads_are_there_from_the_start(model: RunningSum) -> None:
    """Not only once two windows happen to come together."""
    before = set(threading.enumerate())
    stepper = ThreadedStepper(model, TINY, 3)
    assert len(set(threading.enumerate()) - before) == stepper.batch


def test_threads_rest_and_are_back_when_it_runs_again(model: RunningSum) -> None:
    before = set(threading.enumerate())  # of an earlier test's some may end meanwhile

    def its_threads() -> set[threading.Thread]:
        return set(threading.enumerate()) - before

    stepper = ThreadedStepper(model, TINY, 3)
    for sums in ([10, 200], [11, 201]):
        stepper.rest()
        stepper.rest()
        assert its_threads() == set()
        first = sums[0] == 10
        values = (10, 200) if first else (1, 1)
        assert stepped(stepper, (1, values[0], first), (2, values[1], first)) == sums
        assert len(its_threads()) == stepper.batch
    stepper.rest()
    assert its_threads() == set()


def test_an_error_of_one_window_is_the_step_s() -> None:
    class Failing(RunningSum):
        def step(
            self, pcm: torch.Tensor, span: torch.Tensor, rows: torch.Tensor, first: torch.Tensor
        ) -> torch.Tensor:
            if pcm.any():
                raise RuntimeError("no memory")
            return super().step(pcm, span, rows, first)

    with pytest.raises(RuntimeError, match="no memory"):
        stepped(ThreadedStepper(Failing(), TINY, 2), (1, 0, True), (2, 1, True))


class Capture(RunningSum):
    def step(
        self, pcm: torch.Tensor, span: torch.Tensor, rows: torch.Tensor, first: torch.Tensor
    ) -> torch.Tensor:
        assert (pcm.dtype, span.dtype) == (torch.int16, torch.int64)
        assert (rows.dtype, first.dtype) == (torch.int64, torch.bool)
        assert not torch.is_grad_enabled()
        return super().step(pcm, span, rows, first)


def test_the_model_is_given_what_its_contract_says() -> None:
    for stepper in (EagerStepper(Capture(), TINY, 2, CPU), ThreadedStepper(Capture(), TINY, 2)):
        result: NDArray[np.float32] = stepper.run(2)
        assert result.dtype == np.float32


@pytest.mark.parametrize(("took_s", "streams"), [(0.05, 60), (0.5, 6), (100.0, 1)])
def test_how_many_streams_it_keeps_up_with(
    model: RunningSum, monkeypatch: pytest.MonkeyPatch, took_s: float, streams: int
) -> None:
    """Three windows a step, whose chunks last a second each."""
    times = itertools.count()
    monkeypatch.setattr(time, "perf_counter", lambda: next(times) * took_s)
    spec = replace(TINY, sample_rate_hz=TINY.chunk_samples)
    assert streams_in_real_time(ThreadedStepper(model, TINY, 3), spec) == streams
    assert not model.sums.any(), "timing leaves no state behind"
