"""What stands behind the WebSocket where the model is on other machines: one link, and the plane.

The plane is that of an engine with one worker and one decoder; the link does the work of both, so
frontends and sessions see no difference. No place of theirs is filled, and nothing of a model is
loaded.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Final

from server.processes import Processes
from server.tiers.config import LinkConfig
from server.tiers.settings import LinkSettings
from shm.layout import Geometry
from shm.logs import LogSettings

LINK_RATE_HZ: Final = 16_000
"""What the frontends resample to, and every model server's model must run at."""
_FRAME_SAMPLES: Final = LINK_RATE_HZ * 40 // 1000
_CHUNK_FRAMES: Final = 16


class LinkedEngine(Processes):
    """A plane and its link."""

    def __init__(self, config: LinkConfig, frontends: int, logs: LogSettings) -> None:
        super().__init__(geometry_of(config.slots, frontends), logs)
        settings = asdict(LinkSettings.of(config))
        self._add("link", "server.tiers.link_process", 0, self.plane.layout.link_process, settings)


def geometry_of(slots: int, frontends: int) -> Geometry:
    """A plane for audio at the link's rate. Its emission rings are never touched."""
    return Geometry(
        slots=slots,
        frontends=frontends,
        workers=1,
        decoders=1,
        sample_rate_hz=LINK_RATE_HZ,
        chunk_frames=_CHUNK_FRAMES,
        frame_samples=_FRAME_SAMPLES,
        vocabulary_size=1,
    )
