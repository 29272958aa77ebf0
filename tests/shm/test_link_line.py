"""What a link tells, as its frontends read it."""

from __future__ import annotations

from shm.link_line import LinkLine, LinkView
from shm.plane import Plane
from shm.process_line import ProcessLine


def test_there_is_nothing_to_read_without_a_link(plane: Plane) -> None:
    assert LinkLine(plane).view() is None


def test_what_was_told_is_read(plane: Plane) -> None:
    process = ProcessLine(plane, plane.layout.link_process)
    process.announce(2)
    line = LinkLine(plane)
    line.tell(2, 17)
    line.took(0.0015)
    process.ready()
    assert LinkLine(plane).view() == LinkView(2, 17, 0.0015)
    assert process.generation == 2
