"""GPUs as NVML tells of them, with a stand-in for it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from server import gpus
from server.gpus import GpuUsage, GpuWatch, load_nvml
from tests.conformance.waiting import wait_until


class FakeNvml:
    """What is used of pynvml: two GPUs, of which the second does not tell."""

    class NVMLError(Exception):
        pass

    def __init__(self, *, has_driver: bool = True) -> None:
        self._has_driver = has_driver
        self.inits = 0

    def nvmlInit(self) -> None:  # noqa: N802
        self.inits += 1
        if not self._has_driver:
            raise self.NVMLError

    def nvmlDeviceGetCount(self) -> int:  # noqa: N802
        return 2

    def nvmlDeviceGetHandleByIndex(self, index: int) -> int:  # noqa: N802
        return index

    def nvmlDeviceGetMemoryInfo(self, handle: int) -> Any:  # noqa: N802
        if handle == 1:
            raise self.NVMLError
        return SimpleNamespace(used=3, total=4)

    def nvmlDeviceGetUtilizationRates(self, handle: int) -> Any:  # noqa: N802
        return SimpleNamespace(gpu=25)


def test_the_usage_of_each_gpu_that_tells() -> None:
    watch = GpuWatch(FakeNvml())
    try:
        wait_until(lambda: watch.latest() == [GpuUsage(0, 3, 4, 0.25)], "the thread has looked")
    finally:
        watch.stop()


def test_nobody_looks_before_somebody_asks_nor_twice() -> None:
    nvml = FakeNvml()
    watch = GpuWatch(nvml)
    assert nvml.inits == 0
    watch.latest()
    wait_until(lambda: bool(watch.latest()), "the thread has looked")
    watch.stop()
    assert nvml.inits == 1


def test_without_a_driver_there_are_no_gpus() -> None:
    watch = GpuWatch(FakeNvml(has_driver=False))
    assert watch.latest() == []
    watch.stop()
    assert watch.latest() == []


def test_without_nvml_there_are_no_gpus(monkeypatch: Any) -> None:
    def missing(name: str) -> Any:
        raise ImportError(name)

    monkeypatch.setattr(gpus.importlib, "import_module", missing)
    assert load_nvml() is None
    watch = GpuWatch(None)
    assert watch.latest() == []
    watch.stop()
