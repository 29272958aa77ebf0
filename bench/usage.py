"""What the processes of a running engine take of the CPU, read from /proc."""

from __future__ import annotations

from pathlib import Path

from bench.footprint import processes


def cpu_seconds(supervisor_pid: int) -> dict[str, float]:
    """Seconds on a core since each process began, by name ("worker 0"), all threads."""
    return {name: _cpu_seconds(pid) for name, pid in processes(supervisor_pid).items()}


def taken(before: dict[str, float], after: dict[str, float]) -> dict[str, float]:
    """What was taken between two looks, by processes that were there at both."""
    return {name: after[name] - before[name] for name in before if name in after}


def by_kind(seconds: dict[str, float]) -> dict[str, float]:
    """Added up over the processes of a kind ("worker")."""
    kinds: dict[str, float] = {}
    for name, value in seconds.items():
        kind = name.rstrip("0123456789 ")
        kinds[kind] = kinds.get(kind, 0.0) + value
    return kinds


def _cpu_seconds(pid: int) -> float:
    """In nanoseconds from the scheduler: clock ticks of 10 ms would hide an idle process."""
    threads = Path(f"/proc/{pid}/task").iterdir()
    return sum(int((thread / "schedstat").read_text().split()[0]) for thread in threads) / 1e9
