from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from gpu_worker import device as device_module
from gpu_worker.acoustic import int8
from gpu_worker.device import (
    CUDA_BATCH,
    DeviceError,
    choose_device,
    room_at_start,
    uses_int8,
    windows_at_a_time,
)


@pytest.fixture(autouse=True)
def _same_threads_afterwards() -> Iterator[None]:
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)


@pytest.fixture
def two_gpus(monkeypatch: pytest.MonkeyPatch) -> list[torch.device]:
    """A machine that says it has two. Gives the devices that were made current."""
    chosen: list[torch.device] = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "set_device", chosen.append)
    return chosen


@pytest.mark.usefixtures("no_gpu")
@pytest.mark.parametrize("name", ["auto", "cpu"])
def test_without_a_gpu_it_is_the_cpu(name: str) -> None:
    assert choose_device(name, 3) == torch.device("cpu")


@pytest.mark.usefixtures("no_gpu")
@pytest.mark.parametrize("name", ["cuda", "cuda:0"])
def test_a_gpu_that_is_not_there_is_told(name: str) -> None:
    expected = f"^device '{name}' cannot be used: no CUDA device is usable here; use auto or cpu$"
    with pytest.raises(DeviceError, match=expected):
        choose_device(name, 0)


@pytest.mark.parametrize("name", ["gpu", "", "cuda:x", "cuda:-1"])
def test_a_name_that_means_nothing_is_told(name: str) -> None:
    with pytest.raises(DeviceError, match=f"^unknown device '{name}': use auto, cpu, cuda or"):
        choose_device(name, 0)


@pytest.mark.usefixtures("no_gpu")
@pytest.mark.parametrize("name", ["meta", "mps"])
def test_another_kind_of_device_is_refused(name: str) -> None:
    with pytest.raises(DeviceError, match=f"^device '{name}' cannot be used"):
        choose_device(name, 0)


@pytest.mark.parametrize("name", ["auto", "cuda"])
@pytest.mark.parametrize("worker", [0, 1])
def test_each_worker_has_a_gpu_of_its_own(
    two_gpus: list[torch.device], name: str, worker: int
) -> None:
    assert choose_device(name, worker) == torch.device("cuda", worker)
    assert two_gpus == [torch.device("cuda", worker)]


def test_a_gpu_can_be_named(two_gpus: list[torch.device]) -> None:
    assert choose_device("cuda:1", 0) == torch.device("cuda:1")


@pytest.mark.usefixtures("two_gpus")
@pytest.mark.parametrize(("name", "worker"), [("cuda", 2), ("auto", 5), ("cuda:2", 0)])
def test_more_workers_than_gpus_is_told(name: str, worker: int) -> None:
    with pytest.raises(DeviceError, match=f"^device '{name}' cannot be used: this machine has 2;"):
        choose_device(name, worker)


@pytest.mark.usefixtures("two_gpus")
def test_a_gpu_computes_in_full_float32() -> None:
    """Else its log-probabilities differ from the CPU's in the third digit."""
    choose_device("cuda", 0)
    assert not torch.backends.cuda.matmul.allow_tf32
    assert not torch.backends.cudnn.allow_tf32


@pytest.mark.parametrize(("cores", "windows"), [(1, 1), (2, 2), (6, 6), (64, 8)])
def test_a_cpu_steps_a_window_on_each_core(
    monkeypatch: pytest.MonkeyPatch, cores: int, windows: int
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(cores)))
    cpu = choose_device("cpu", 0)
    assert torch.get_num_threads() == 1, "a window has one core, not a part of several"
    assert windows_at_a_time(cpu) == windows


def test_a_gpu_steps_a_batch() -> None:
    assert windows_at_a_time(torch.device("cuda:0")) == CUDA_BATCH


@pytest.mark.parametrize(
    ("precision", "device", "supported", "used"),
    [
        ("auto", "cpu", True, True),
        ("auto", "cpu", False, False),
        ("auto", "cuda:0", True, False),
        ("float32", "cpu", True, False),
        ("int8", "cpu", True, True),
    ],
)
def test_a_cpu_that_can_computes_in_8_bits(
    monkeypatch: pytest.MonkeyPatch, precision: str, device: str, supported: bool, used: bool
) -> None:
    monkeypatch.setattr(int8, "is_supported", lambda: supported)
    assert uses_int8(precision, torch.device(device)) is used


@pytest.mark.parametrize(("device", "reason"), [("cpu", "AVX-512 VNNI"), ("cuda:0", "on a CPU")])
def test_8_bits_that_cannot_be_had_are_refused(
    monkeypatch: pytest.MonkeyPatch, device: str, reason: str
) -> None:
    monkeypatch.setattr(int8, "is_supported", lambda: device != "cpu")
    with pytest.raises(DeviceError, match=f"{reason}: use auto or float32"):
        uses_int8("int8", torch.device(device))


@pytest.fixture
def old_driver(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A machine with a GPU whose driver is too old for this PyTorch."""

    def refuse() -> None:
        raise RuntimeError("The NVIDIA driver on your system is too old\n(found version 11040).")

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    monkeypatch.setattr(torch.cuda, "init", refuse)
    monkeypatch.setattr(device_module, "DRIVER_NODE", tmp_path)


@pytest.mark.usefixtures("old_driver")
def test_a_gpu_that_cannot_be_used_is_not_passed_over() -> None:
    with pytest.raises(DeviceError, match=r"too old \(found version 11040\).*--device cpu$"):
        choose_device("auto", 0)
    assert choose_device("cpu", 0) == torch.device("cpu")


@pytest.mark.usefixtures("old_driver")
def test_a_machine_without_a_driver_or_cuda_has_no_gpu(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(device_module, "DRIVER_NODE", tmp_path / "none")
    assert choose_device("auto", 0) == torch.device("cpu")
    monkeypatch.setattr(device_module, "DRIVER_NODE", tmp_path)
    monkeypatch.setattr(torch.version, "cuda", None)
    assert choose_device("auto", 0) == torch.device("cpu")


def test_too_little_memory_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (100 * 2**20, 8000 * 2**20))
    told = r"^cuda:0 has too little memory: 100 of 8000 MiB"
    with pytest.raises(DeviceError, match=told), room_at_start("cuda:0"):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 1 GiB")
    with pytest.raises(torch.OutOfMemoryError), room_at_start("cuda:0", generation=2):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 1 GiB")
    with pytest.raises(RuntimeError, match="another"), room_at_start("cuda:0"):
        raise RuntimeError("another mistake")
