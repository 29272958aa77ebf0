"""A plane for the link's rate, and one process."""

from __future__ import annotations

from server.tiers.config import Host, LinkConfig
from server.tiers.linked_engine import LinkedEngine, geometry_of
from shm.layout import Geometry
from shm.logs import LogSettings


def test_the_plane_is_that_of_one_worker_and_one_decoder() -> None:
    assert geometry_of(5, frontends=2) == Geometry(
        slots=5,
        frontends=2,
        workers=1,
        decoders=1,
        sample_rate_hz=16_000,
        chunk_frames=16,
        frame_samples=640,
        vocabulary_size=1,
    )


def test_the_link_is_all_there_is_to_start() -> None:
    config = LinkConfig((Host("a", 1),), False, None, None, 3, 0)
    engine = LinkedEngine(config, 1, LogSettings())
    try:
        (managed,) = engine._processes
        assert (managed.name, managed.module) == ("link", "server.tiers.link_process")
        assert managed.settings["hosts"] == (("a", 1),)
    finally:
        engine.close()
