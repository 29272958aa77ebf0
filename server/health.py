"""Whether this process answers, and whether the engine behind it could serve a stream now. Pure.

Readiness is functional: each process of the engine must have gone round its loop within
`RECENT_MS`, which a process that hangs does not, however alive it looks to the kernel. A server
whose streams are all in use is ready: it says so itself, with 503 and Retry-After, and a load
balancer that took it out of rotation would leave clients with a worse answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from server.site import Answer, json_answer
from shm.engine_view import ProcessView, SlotsView
from shm.link_line import LinkView
from shm.process_line import STALE_AFTER_MS, ProcessState

RECENT_MS: Final = STALE_AFTER_MS // 2
"""Half of what the supervisor allows: who watches from outside hears of it before the repair."""


@dataclass(frozen=True, slots=True)
class Health:
    """``not_ready`` names what is missing, a sentence each; empty, if a stream could be served."""

    not_ready: tuple[str, ...]
    slots: SlotsView

    @property
    def ready(self) -> bool:
        return not self.not_ready


def health(
    processes: Sequence[ProcessView],
    slots: SlotsView,
    link: LinkView | None = None,
    *,
    shutting_down: bool,
    failing: bool = False,
) -> Health:
    """What the state of the processes comes to; ``link`` where the model is elsewhere."""
    missing = [reason for process in processes if (reason := _missing(process))]
    if link is not None and link.servers == 0:
        missing.append("no model server is connected: the log says why")
    if all(process.kind == "frontend" for process in processes):
        missing.append("the engine has not been started")
    if failing:
        missing.insert(0, "a process of the engine ends again and again: the log says why")
    if shutting_down:
        missing.insert(0, "the server is stopping")
    return Health(tuple(missing), slots)


def is_recent(process: ProcessView) -> bool:
    """Whether it goes round its loop."""
    return process.heartbeat_age_ms <= RECENT_MS


def alive_answer() -> Answer:
    """``/healthz``: whoever reads this was answered by an event loop that goes round."""
    return json_answer(200, {"status": "ok"})


def ready_answer(found: Health, *, api_key_needed: bool = False) -> Answer:
    """``/readyz``: 200, or 503 and why. Browsers hide a 401, so it says when a key is needed."""
    content: dict[str, object] = {
        "ready": found.ready,
        "not_ready": list(found.not_ready),
        "slots": {"total": found.slots.total, "free": found.slots.free},
    }
    if api_key_needed:
        content["api_key_needed"] = True
    return json_answer(200 if found.ready else 503, content)


def _missing(process: ProcessView) -> str | None:
    if process.state is ProcessState.STARTING:
        # Another frontend need not be there: this one is, or nobody would read the answer.
        return None if process.kind == "frontend" else f"{process.name} is starting"
    if not is_recent(process):
        return f"{process.name} has not answered for {process.heartbeat_age_ms / 1000:.0f} s"
    return None
