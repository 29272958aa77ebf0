"""Runs the acoustic model over a batch of windows: staging in, log-probabilities out.

On a CUDA device the step is one graph of a fixed batch shape, captured at start-up: no allocation,
no launch overhead, and the same kernels at the same shapes whether a stream is alone or in company,
so its numbers do not depend on its neighbours. On the CPU the same model runs eagerly, each window
by itself and as many at a time as there are cores: nothing is gained there by batching, whose
threads wait for each other, and so numbers do not depend on neighbours either. Buffers are
allocated once.
"""

from __future__ import annotations

import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Final, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from gpu_worker.acoustic.contract import AcousticModel
from models.spec import ModelSpec

WARM_UP_STEPS: Final = 3
PADDING_ROW: Final = 0
TIMED_STEPS: Final = 5


class Stepper(Protocol):
    """A model with its staging buffers."""

    batch: int

    def stage(self, item: int, slot_row: int, *, first: bool) -> NDArray[np.int16]:
        """The window of batch item ``item``, zeroed, (window_samples,) int16, to be filled."""
        ...

    def bound(self, item: int, begin: int, end: int) -> None:
        """Says which samples of the item's window belong to the segment."""
        ...

    def run(self, items: int) -> NDArray[np.float32]:
        """(items, chunk_frames, vocabulary) for the staged items; valid until the next run."""
        ...

    def rest(self) -> None:
        """Ends its threads until it runs again: the process may be forked meanwhile."""
        ...


class _Staging:
    """Host buffers of one batch; pinned where a device copies from them."""

    def __init__(self, spec: ModelSpec, batch: int, *, pinned: bool) -> None:
        self.pcm = torch.zeros(batch, spec.window_samples, dtype=torch.int16, pin_memory=pinned)
        self.span = torch.zeros(batch, 2, dtype=torch.int64, pin_memory=pinned)
        self.rows = torch.full((batch,), PADDING_ROW, dtype=torch.int64, pin_memory=pinned)
        self.first = torch.ones(batch, dtype=torch.bool, pin_memory=pinned)
        self._pcm = self.pcm.numpy()
        self._span = self.span.numpy()
        self._rows = self.rows.numpy()
        self._first = self.first.numpy()

    def stage(self, item: int, slot_row: int, *, first: bool) -> NDArray[np.int16]:
        self._rows[item] = slot_row
        self._first[item] = first
        window: NDArray[np.int16] = self._pcm[item]
        window.fill(0)
        return window

    def bound(self, item: int, begin: int, end: int) -> None:
        self._span[item] = (begin, end)

    def pad(self, items: int) -> None:
        """Points the unused items at the padding row; what they compute is thrown away."""
        self._rows[items:] = PADDING_ROW

    @property
    def inputs(self) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
        return self.pcm, self.span, self.rows, self.first


class EagerStepper:
    """The model as it is written: what the others are checked against.

    On the CPU over the rows in use. On a GPU over the whole batch as the graph: which kernels run,
    and so the last digits of a row, depend on the shape.
    """

    def __init__(self, model: AcousticModel, spec: ModelSpec, batch: int, device: torch.device):
        self.batch = batch
        self._whole_batch = device.type == "cuda"
        self._model = model
        self._device = device
        self._staging = _Staging(spec, batch, pinned=device.type == "cuda")
        self.stage = self._staging.stage
        self.bound = self._staging.bound
        for items in {1, batch}:
            self.run(items)

    @torch.inference_mode()
    def run(self, items: int) -> NDArray[np.float32]:
        """See `Stepper.run`."""
        count = self.batch if self._whole_batch else items
        self._staging.pad(items)
        inputs = (tensor[:count].to(self._device) for tensor in self._staging.inputs)
        log_probs: NDArray[np.float32] = self._model.step(*inputs).cpu().numpy()
        return log_probs[:items]

    def rest(self) -> None:
        """See `Stepper.rest`: it has none."""


class ThreadedStepper:
    """The model on the CPU: a thread for each item of the batch, and one core for each thread."""

    def __init__(self, model: AcousticModel, spec: ModelSpec, batch: int):
        self.batch = batch
        self._model = model
        self._staging = _Staging(spec, batch, pinned=False)
        self.stage = self._staging.stage
        self.bound = self._staging.bound
        self._log_probs = np.empty((batch, spec.chunk_frames, len(spec.vocabulary)), np.float32)
        self._threads: ThreadPoolExecutor | None = None
        self.run(batch)

    def run(self, items: int) -> NDArray[np.float32]:
        """See `Stepper.run`."""
        threads = self._threads = self._threads or self._started()
        for _ in threads.map(self._run_item, range(items)):
            pass  # an item's error is raised here
        log_probs: NDArray[np.float32] = self._log_probs[:items]
        return log_probs

    def rest(self) -> None:
        """See `Stepper.rest`."""
        if self._threads is not None:
            self._threads.shutdown()
            self._threads = None

    def _started(self) -> ThreadPoolExecutor:
        threads = ThreadPoolExecutor(
            self.batch, "step", initializer=torch.set_num_threads, initargs=(1,)
        )
        everyone = Barrier(self.batch)  # else a thread might start only when the first is busy
        for _ in threads.map(lambda _: everyone.wait(), range(self.batch)):
            pass
        return threads

    @torch.inference_mode()
    def _run_item(self, item: int) -> None:
        inputs = (tensor[item : item + 1] for tensor in self._staging.inputs)
        self._log_probs[item] = self._model.step(*inputs)[0].numpy()


class GraphStepper:
    """The model as one CUDA graph over the whole batch, captured here and replayed per step."""

    def __init__(self, model: AcousticModel, spec: ModelSpec, batch: int, device: torch.device):
        self.batch = batch
        self._staging = _Staging(spec, batch, pinned=True)
        self.stage = self._staging.stage
        self.bound = self._staging.bound
        self._inputs = [tensor.to(device) for tensor in self._staging.inputs]
        shape = (batch, spec.chunk_frames, len(spec.vocabulary))
        self._host = torch.zeros(shape, pin_memory=True)
        self._host_array = self._host.numpy()
        self._stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        self._graph = torch.cuda.CUDAGraph()
        with torch.inference_mode(), torch.cuda.stream(self._stream):
            for _ in range(WARM_UP_STEPS):
                model.step(*self._inputs)
            self._stream.synchronize()
            with torch.cuda.graph(self._graph, stream=self._stream):
                self._output = model.step(*self._inputs)
        self._stream.synchronize()
        self.run(batch)

    @torch.inference_mode()
    def run(self, items: int) -> NDArray[np.float32]:
        """See `Stepper.run`. One copy in, one replay, one copy out, one wait."""
        self._staging.pad(items)
        with torch.cuda.stream(self._stream):
            for device_tensor, host_tensor in zip(self._inputs, self._staging.inputs, strict=True):
                device_tensor.copy_(host_tensor, non_blocking=True)
            self._graph.replay()
            self._host.copy_(self._output, non_blocking=True)
        self._stream.synchronize()
        log_probs: NDArray[np.float32] = self._host_array[:items]
        return log_probs

    def rest(self) -> None:
        """See `Stepper.rest`: it has none, and what CUDA has survives no fork."""


def make_stepper(
    model: AcousticModel, spec: ModelSpec, batch: int, device: torch.device
) -> Stepper:
    """The stepper for a device: graphs on CUDA, threads on the CPU."""
    if device.type == "cuda":
        return GraphStepper(model, spec, batch, device)
    return ThreadedStepper(model, spec, batch)


def streams_in_real_time(stepper: Stepper, spec: ModelSpec) -> int:
    """How many streams the model alone could keep up with, by a few steps of full batches; >= 1.

    Their windows are padding, which costs what speech does. Call it before any window is staged.
    """
    took_s = []
    for _ in range(TIMED_STEPS):
        began_s = time.perf_counter()
        stepper.run(stepper.batch)
        took_s.append(time.perf_counter() - began_s)
    chunk_s = spec.chunk_samples / spec.sample_rate_hz
    return max(1, int(stepper.batch * chunk_s / statistics.median(took_s)))
