"""Memory and utilisation of NVIDIA GPUs by NVML, where there are any and pynvml is installed.

A thread of its own asks every `EVERY_S`, from the first time that somebody wants to know: the
driver may take its time, and the event loop must not wait for it. Without NVML there are no GPUs
to report, and nobody is told about an error that is none.
"""

from __future__ import annotations

import importlib
import threading
from dataclasses import dataclass
from typing import Any, Final

EVERY_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class GpuUsage:
    """One GPU, numbered as NVML does; ``utilisation`` is in 0..1."""

    index: int
    memory_used_bytes: int
    memory_total_bytes: int
    utilisation: float


class GpuWatch:
    """The latest usage of every GPU. ``nvml`` is the module pynvml, or None where it is missing."""

    def __init__(self, nvml: Any | None) -> None:
        self._nvml = nvml
        self._latest: list[GpuUsage] = []
        self._thread: threading.Thread | None = None
        self._stopping = threading.Event()

    def latest(self) -> list[GpuUsage]:
        """As of at most `EVERY_S` ago; empty at the first call, which starts the thread."""
        if self._thread is None and self._nvml is not None:
            self._thread = threading.Thread(target=self._watch, name="nvml", daemon=True)
            self._thread.start()
        return self._latest

    def stop(self) -> None:
        """Ends the thread, if it runs."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()

    def _watch(self) -> None:
        nvml = self._nvml
        assert nvml is not None, "a thread is started for NVML alone"
        try:
            nvml.nvmlInit()
            count = nvml.nvmlDeviceGetCount()
        except nvml.NVMLError:
            return  # no driver: no GPUs
        while not self._stopping.is_set():
            usages = [_usage(nvml, index) for index in range(count)]
            self._latest = [usage for usage in usages if usage is not None]
            self._stopping.wait(EVERY_S)


def load_nvml() -> Any | None:
    """The module pynvml (package nvidia-ml-py), if it is installed."""
    try:
        return importlib.import_module("pynvml")
    except ImportError:
        return None


def _usage(nvml: Any, index: int) -> GpuUsage | None:
    """None for a GPU that does not tell, such as a slice of one, or one that fell off its bus."""
    try:
        handle = nvml.nvmlDeviceGetHandleByIndex(index)
        memory = nvml.nvmlDeviceGetMemoryInfo(handle)
        busy_percent = nvml.nvmlDeviceGetUtilizationRates(handle).gpu
    except nvml.NVMLError:
        return None
    return GpuUsage(index, int(memory.used), int(memory.total), busy_percent / 100)
