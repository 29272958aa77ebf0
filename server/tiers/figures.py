"""What a link counts, into its block of the plane (`shm.figures`)."""

from __future__ import annotations

from shm import figures
from shm.figures import Block
from shm.plane import Plane


class LinkFigures:
    """Streams that had to begin again."""

    def __init__(self, plane: Plane) -> None:
        block = Block(plane, "link", plane.layout.link_process)
        self.replays = block.counter(figures.REPLAYS)
