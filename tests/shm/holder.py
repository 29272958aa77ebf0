"""A frontend in a process of its own: claims slots, says which, and holds them until killed."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from shm.doorbells import Doorbells
from shm.plane import Plane
from shm.slot_pool import SlotPool


@contextmanager
def holder(
    plane: Plane, bells: Doorbells, frontend: int, slots: int
) -> Iterator[subprocess.Popen[str]]:
    """Runs while it holds ``slots`` slots; kill it, or leave the block."""
    argument = json.dumps([plane.fd, bells.fds, frontend, slots])
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.shm.holder", argument],
        pass_fds=(plane.fd, *bells.fds),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "holding\n"
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def main() -> None:
    plane_fd, bell_fds, frontend, slots = json.loads(sys.argv[1])
    plane = Plane.attach(plane_fd)
    pool = SlotPool(plane, Doorbells.from_fds(plane.geometry, tuple(bell_fds)), frontend)
    for _ in range(slots):
        slot = pool.claim()
        assert slot is not None
        slot.write_audio(np.full(150, 7, np.int16))
        slot.write_mark()
    print("holding", flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
