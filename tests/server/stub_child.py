"""A child process without a model: does at its start, and then, what its settings say.

Stands in for worker, decoder or frontend where a test is about the engine that watches them.
"""

from __future__ import annotations

import os
import signal

from shm.child import ROUND_TIMEOUT_MS, Child, run_child
from shm.process_line import ProcessLine


class UselessError(Exception):
    """What this child says it cannot use."""


def main(child: Child) -> None:
    """Settings: ``line`` (offset of its process line), ``does``."""
    does = child.settings["does"]
    line = ProcessLine(child.plane, child.settings["line"])
    is_first = line.generation == 0
    if does == "crash" or (does == "crash standing by" and not is_first):
        os._exit(1)
    if does == "refuse":
        raise UselessError("the stub is of no use")
    if does == "ignore SIGTERM":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    else:
        child.stop_on_sigterm()
    child.announce(line)
    if not child.take_turn(line, can_fork=does == "leave another"):
        return
    if does != "never get ready":
        line.ready()
    while child.goes_on:
        line.beat()
        child.bells.workers[0].wait(ROUND_TIMEOUT_MS)


if __name__ == "__main__":
    run_child(main, (UselessError,))
