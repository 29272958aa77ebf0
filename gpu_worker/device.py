"""Which device a worker runs on, ``auto``, ``cpu``, ``cuda`` or ``cuda:N``, and how it computes."""

from __future__ import annotations

import os
from typing import Final

import torch

from gpu_worker.acoustic import int8

CUDA_BATCH: Final = 16
MAX_CPU_WINDOWS: Final = 8


class DeviceError(Exception):
    """The device cannot be used; the message is one line and says what would be right."""


def choose_device(name: str, worker: int) -> torch.device:
    """The device for worker number ``worker``; sets this process up to use it.

    ``auto`` is CUDA where there is a device, else the CPU. ``auto`` and ``cuda`` give each worker a
    GPU of its own.

    Raises:
        DeviceError: no such device on this machine.
    """
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
