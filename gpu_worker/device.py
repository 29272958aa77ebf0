"""Which device a worker runs on, ``auto``, ``cpu``, ``cuda`` or ``cuda:N``, and how it computes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import torch

from gpu_worker.acoustic import int8

CUDA_BATCH: Final = 16
MAX_CPU_WINDOWS: Final = 8
DRIVER_NODE: Final = Path("/dev/nvidiactl")
"""Where the NVIDIA driver is loaded, and in a container that was given a GPU."""


class DeviceError(Exception):
    """The device cannot be used; the message is one line and says what would be right."""


def choose_device(name: str, worker: int) -> torch.device:
    """The device for worker number ``worker``; sets this process up to use it.

    ``auto`` is CUDA where there is a device, else the CPU. ``auto`` and ``cuda`` give each worker a
    GPU of its own.

    Raises:
        DeviceError: no such device on this machine; or, with ``auto``, a GPU that cannot be used,
            because the CPU in its place would be noticed by its slowness alone.
    """
    if name == "auto" and not torch.cuda.is_available() and (reason := _gpu_unusable()):
        raise DeviceError(
            f"there is a GPU that cannot be used: {reason}; a newer driver may help (torch "
            f"{torch.__version__} is for CUDA {torch.version.cuda}), or --device cpu"
        )
    if name == "cpu" or (name == "auto" and not torch.cuda.is_available()):
        torch.set_num_threads(1)  # a thread for each window instead: see `stepper`
        return torch.device("cpu")
    try:
        device = torch.device(f"cuda:{worker}" if name in {"auto", "cuda"} else name)
    except RuntimeError:
        raise DeviceError(f"unknown device '{name}': use auto, cpu, cuda or cuda:N") from None
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if device.type != "cuda" or device.index is None or device.index >= count:
        seen = f"this machine has {count}" if count else "no CUDA device is usable here"
        raise DeviceError(f"device '{name}' cannot be used: {seen}; use auto or cpu")
    torch.cuda.set_device(device)
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    return device


def windows_at_a_time(device: torch.device) -> int:
    """How many windows one step is for: as many as the CPU has cores."""
    if device.type == "cuda":
        return CUDA_BATCH
    return min(len(os.sched_getaffinity(0)), MAX_CPU_WINDOWS)


def uses_int8(precision: str, device: torch.device) -> bool:
    """Whether the acoustic model computes in 8 bits there; `precision` is auto, float32 or int8.

    Raises:
        DeviceError: int8 is asked for where there is none.
    """
    able = device.type == "cpu" and int8.is_supported()
    if precision == "int8" and not able:
        needed = "runs on a CPU" if device.type != "cpu" else "needs a processor with AVX-512 VNNI"
        raise DeviceError(f"precision int8 {needed}: use auto or float32")
    return able and precision != "float32"


@contextmanager
def room_at_start(device: str, generation: int = 1) -> Iterator[None]:
    """Encloses what fills the memory of ``device``, "cpu" or "cuda:N".

    Raises:
        DeviceError: it was not enough for a first process. A later ``generation`` fails as it may,
            and is tried again: its predecessor's memory may not be free yet.
    """
    try:
        yield
    except RuntimeError as error:  # PyTorch's and CTranslate2's have no narrower kind in common
        if generation > 1 or device == "cpu" or "out of memory" not in str(error):
            raise
        free, total = (size // 2**20 for size in torch.cuda.mem_get_info(device))
        raise DeviceError(
            f"{device} has too little memory: {free} of {total} MiB are free now; end what else "
            "uses it, choose another by --device cuda:N, or take a smaller model"
        ) from error


def _gpu_unusable() -> str:
    """Why CUDA does not start, though a driver is there; empty without one, or without CUDA."""
    if torch.version.cuda is None or not DRIVER_NODE.exists():
        return ""
    try:
        torch.cuda.init()  # type: ignore[no-untyped-call]
    except (RuntimeError, AssertionError) as error:
        return " ".join(str(error).split())[:200]
    return ""
