"""What a link counts."""

from __future__ import annotations

from server.tiers.figures import LinkFigures
from shm import figures
from shm.figures import Block
from shm.plane import Plane
from tests.shm.planes import SMALL


def test_replays_are_counted_on() -> None:
    plane = Plane.create(SMALL)
    try:
        LinkFigures(plane).replays.add()
        LinkFigures(plane).replays.add()
        block = Block(plane, "link", plane.layout.link_process)
        assert block.read(figures.REPLAYS) == [2]
    finally:
        plane.close()
