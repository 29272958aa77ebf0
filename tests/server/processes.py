"""Looking at processes from outside, through /proc."""

from __future__ import annotations

import gc
import os
from pathlib import Path

from models.spec import ModelSpec
from server.config import EngineConfig
from server.processes import ManagedProcess, Processes
from tests.conformance.server_process import ECHO

ECHO_SPEC = ModelSpec.load(ECHO)


def echo_config(slots: int = 2, decoders: int = 1) -> EngineConfig:
    """An engine that starts quickly and hears exactly what the samples spell."""
    return EngineConfig(
        model=ECHO,
        device="cpu",
        precision="auto",
        workers=1,
        slots=slots,
        decoders=decoders,
        beam_size=20,
        language_model=None,
        search="incremental",
        intermed_partials=False,
        second_pass=None,
        second_passes=0,
        trailing_silence_ms=600,
        nothing_spoken_ms=5000,
        standby=False,
    )


def is_running(pid: int) -> bool:
    """Whether there is such a process, and not only what is left of it until it is waited for."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rpartition(")")[2].split()[0] not in {"Z", "X"}


def children_of(pid: int) -> set[int]:
    """The processes that it has started and that still run."""
    return {child for child in all_pids() if parent_of(child) == pid and is_running(child)}


def all_pids() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def parent_of(pid: int) -> int | None:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return int(stat.rpartition(")")[2].split()[1])


def open_descriptors() -> set[str]:
    """What this process has open, by number and kind, once what nobody needs is gone."""
    gc.collect()
    found = set()
    for name in os.listdir("/proc/self/fd"):
        try:
            found.add(f"{name} {os.readlink(f'/proc/self/fd/{name}')}")
        except FileNotFoundError:
            continue  # the listing itself
    return found


def managed(engine: Processes, name: str = "stub", index: int = 0) -> ManagedProcess:
    (found,) = [m for m in engine._processes if (m.name, m.index) == (name, index)]
    return found


def pid_of(process: ManagedProcess) -> int:
    assert process.process is not None
    return process.process.pid


def wait_for_death(process: ManagedProcess) -> None:
    """Waits for the end and leaves it to the engine to notice."""
    assert process.process is not None
    os.waitid(os.P_PID, process.process.pid, os.WEXITED | os.WNOWAIT)
