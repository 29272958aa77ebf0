"""One place in the engine, which one generation of a process after another fills."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from server.forked_process import AnyProcess
from server.standby import Standby
from shm.process_line import ProcessLine, ProcessState


@dataclass(slots=True)
class ManagedProcess:
    """One place in the engine, filled by one generation after another."""

    name: str
    module: str
    index: int
    line: ProcessLine
    settings: dict[str, Any]
    extra_fds: tuple[int, ...] = ()
    stands_by: bool = False
    """Whether a successor is kept loaded."""
    essential: bool = True
    """Whether clients would wait in vain without it."""
    leaves_another: bool = False
    """Whether a successor that stood by may leave the next one, by a fork."""
    leaves: bool = False
    """Whether it was told to end, for its successor to begin: no mishap."""
    generation: int = 0
    process: AnyProcess | None = None
    standby: Standby | None = None
    started_s: float = 0.0
    ready_s: float | None = None
    failures: int = 0
    restart_at_s: float = 0.0
    standby_at_s: float = 0.0

    @property
    def is_ready(self) -> bool:
        """Whether the living generation, not a predecessor's leftover line, is ready."""
        return (
            self.process is not None
            and self.line.pid == self.process.pid
            and self.line.state is ProcessState.READY
        )
