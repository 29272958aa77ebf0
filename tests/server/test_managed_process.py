"""A place in the engine: when its process counts as ready."""

from __future__ import annotations

import subprocess
from typing import cast

from server.managed_process import ManagedProcess
from shm.plane import Plane
from shm.process_line import ProcessLine
from tests.gpu_worker.tiny import TINY, geometry_of


class Process:
    """A living process."""

    def __init__(self, pid: int) -> None:
        self.pid = pid


def test_only_the_generation_that_lives_makes_it_ready() -> None:
    plane = Plane.create(geometry_of(TINY))
    line = ProcessLine(plane, plane.layout.decoder_process(0))
    place = ManagedProcess("decoder", "module", 0, line, {})
    assert not place.is_ready
    line.announce(1)
    line.ready()
    assert not place.is_ready, "there is no process"
    place.process = cast("subprocess.Popen[bytes]", Process(line.pid + 1))
    assert not place.is_ready, "the line is its predecessor's"
    place.process = cast("subprocess.Popen[bytes]", Process(line.pid))
    assert place.is_ready
    plane.close()
