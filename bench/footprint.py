"""What the processes of a running engine hold, read from /proc: memory, threads, descriptors."""

from __future__ import annotations

import asyncio
import json
import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

GROWTH_ALLOWANCE_KIB: Final = 3072
"""Private memory that a process may gain after warm-up: arenas of Python and malloc come by the MiB
(0.9 MiB is the most seen). A leak of 130 bytes per message of audio exceeds it within an hour, one
of 7 KiB per connection within 500."""
SETTLE_TIMEOUT_S: Final = 60
LOOK_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class Holding:
    """What one process holds. Shared memory is left out: the plane is mapped once, at its full
    size, and its pages are only touched bit by bit."""

    private_kib: int
    threads: int
    descriptors: int


Holdings = dict[str, Holding]


def grown(before: Holdings, after: Holdings) -> list[str]:
    """What has grown, or come, or gone, a line each.

    Fewer descriptors are no growth: a connection that is being closed may be among those before.
    """
    lines = [f"{name} came or went" for name in sorted(set(before) ^ set(after))]
    for name in sorted(set(before) & set(after)):
        was, now = before[name], after[name]
        if now.private_kib - was.private_kib > GROWTH_ALLOWANCE_KIB:
            lines.append(f"{name}: memory {was.private_kib} -> {now.private_kib} KiB")
        if now.threads != was.threads:
            lines.append(f"{name}: threads {was.threads} -> {now.threads}")
        if now.descriptors > was.descriptors:
            lines.append(f"{name}: descriptors {was.descriptors} -> {now.descriptors}")
    return lines


def table(before: Holdings, after: Holdings) -> str:
    """Before and after, a line for each process."""
    lines = [f"{'':14}{'private MiB':>20}{'threads':>14}{'descriptors':>16}"]
    for name in sorted(set(before) & set(after)):
        was, now = before[name], after[name]
        memory = f"{was.private_kib / 1024:.1f} -> {now.private_kib / 1024:.1f}"
        threads = f"{was.threads} -> {now.threads}"
        descriptors = f"{was.descriptors} -> {now.descriptors}"
        lines.append(f"{name:14}{memory:>20}{threads:>14}{descriptors:>16}")
    return "\n".join(lines)


async def settled(supervisor_pid: int, expected: Holdings | None = None) -> Holdings:
    """What is held once what closes has closed, and no more than ``expected`` if that is given.

    As it is after `SETTLE_TIMEOUT_S` if it never settles.
    """
    previous, deadline_s = holdings(supervisor_pid), time.monotonic() + SETTLE_TIMEOUT_S
    while time.monotonic() < deadline_s:
        await asyncio.sleep(LOOK_S)
        current = holdings(supervisor_pid)
        if not grown(previous, current) and (expected is None or not grown(expected, current)):
            return current
        previous = current
    return previous


def holdings(supervisor_pid: int) -> Holdings:
    """What the supervisor and each of its children hold, by name ("worker 0")."""
    return {name: _holding(pid) for name, pid in processes(supervisor_pid).items()}


def processes(supervisor_pid: int) -> dict[str, int]:
    """The engine's process ids by name, without those that just start or end."""
    found = {"supervisor": supervisor_pid}
    tasks = Path(f"/proc/{supervisor_pid}/task/{supervisor_pid}/children")
    for child in tasks.read_text().split():
        try:
            line = Path(f"/proc/{child}/cmdline").read_text()
        except (FileNotFoundError, ProcessLookupError):  # it ended since it was listed
            continue
        *_, module, settings, _ = ["", "", *line.split("\0")]
        if settings.startswith("{"):  # else not yet itself, or not any more
            kind = {"gpu_worker": "worker"}.get(module, module.rsplit(".", maxsplit=1)[-1])
            found[f"{kind} {json.loads(settings)['index']}"] = int(child)
    return found


def _holding(pid: int) -> Holding:
    status = Path(f"/proc/{pid}/status").read_text()

    def field(name: str) -> int:
        match = re.search(rf"^{name}:\s+(\d+)", status, re.MULTILINE)
        assert match is not None, f"/proc/{pid}/status has no {name}"
        return int(match[1])

    descriptors = len(list(Path(f"/proc/{pid}/fd").iterdir()))
    return Holding(field("RssAnon"), field("Threads"), descriptors)
