"""When a partial is due: by the audio that the utterance has covered, never by a clock."""

from __future__ import annotations

from typing import Final

from models.spec import ModelSpec
from shm.layout import PARTIALS_OF_ENGINE, PARTIALS_QUICK, PARTIALS_RARE

PARTIAL_MS: Final = 4_000
INTERMED_PARTIAL_MS: Final = 600


class PartialSchedule:
    """One utterance's partials: the first ``interval_ms`` after its first word began, then so on.

    Chunks are the grain: a partial comes with the first chunk that completes the interval. An
    interval that a chunk alone fills, as 600 ms with the bundled model, so means every chunk.
    """

    __slots__ = ("_due_frames", "_since", "_wishes")

    def __init__(self, spec: ModelSpec, interval_ms: int) -> None:
        self._wishes = {
            wish: spec.frames_within(wished_ms)
            for wish, wished_ms in (
                (PARTIALS_OF_ENGINE, interval_ms),
                (PARTIALS_RARE, PARTIAL_MS),
                (PARTIALS_QUICK, INTERMED_PARTIAL_MS),
            )
        }
        self.follow(PARTIALS_OF_ENGINE)

    def follow(self, wish: int) -> None:
        """A session begins that wants partials so often; see `shm.layout.SLOT_PARTIALS`."""
        self._due_frames = self._wishes[wish]
        self.reset()

    def reset(self) -> None:
        """A new utterance begins."""
        self._since: int | None = None

    def due(self, first_frame: int, end_frame: int, *, has_words: bool) -> bool:
        """Whether a partial is due after the chunk of frames ``first_frame`` to ``end_frame``."""
        if not has_words:
            return False
        if self._since is None:
            self._since = first_frame
        if end_frame - self._since < self._due_frames:
            return False
        self._since = end_frame
        return True
