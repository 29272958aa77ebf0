"""Training examples: segments of speech as the engine meets them, with their transcripts.

A segment is a clip, or two with a pause between, with near silence before and after. Pure:
everything random follows from the generator that is passed in.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tools.train.augment import augmented
from tools.train.dataset import EMISSION_SAMPLES, SAMPLE_RATE_HZ, Clip, Dataset

_TWO_CLIPS_SHARE: Final = 0.3
_LONGEST_EDGE_S: Final = 0.4
_PAUSE_S: Final = (0.1, 0.8)
_ROOM_LEVEL: Final = 2.0
"""Root mean square of what is put around clips, of 32768."""


@dataclass(frozen=True, slots=True)
class Segment:
    """``samples`` (n,) float32 in -32768..32767 at 16 kHz, and what is said in them."""

    samples: NDArray[np.float32]
    text: str


class SegmentSampler:
    """Draws segments from the clips of a data directory."""

    def __init__(self, data: Dataset) -> None:
        self._data = data
        clips = list(enumerate(data.clips))
        self.training = [clip for index, clip in clips if not data.is_validation(index)]
        self.validation = [clip for index, clip in clips if data.is_validation(index)]

    def drawn(self, rng: np.random.Generator) -> Segment:
        """A segment of training clips, augmented."""
        clips = [self._choice(rng)]
        if rng.random() < _TWO_CLIPS_SHARE:
            clips.append(self._choice(rng))
        parts = [self._room(0, _LONGEST_EDGE_S, rng)]
        for clip in clips:
            if len(parts) > 1:
                parts.append(self._room(*_PAUSE_S, rng))
            parts.append(self.plain(clip).samples)
        parts.append(self._room(0, _LONGEST_EDGE_S, rng))
        samples = np.concatenate(parts)
        babble = [np.resize(self.plain(self._choice(rng)).samples, len(samples)) for _ in range(3)]
        text = " ".join(clip.text for clip in clips)
        return Segment(augmented(samples, np.stack(babble), rng), text)

    def plain(self, clip: Clip) -> Segment:
        """A clip as it is, alone."""
        return Segment(self._data.audio(clip).astype(np.float32), clip.text)

    def _choice(self, rng: np.random.Generator) -> Clip:
        return self.training[rng.integers(len(self.training))]

    def _room(self, low_s: float, high_s: float, rng: np.random.Generator) -> NDArray[np.float32]:
        count = int(rng.uniform(low_s, high_s) * SAMPLE_RATE_HZ)
        return rng.standard_normal(count, np.float32) * np.float32(_ROOM_LEVEL)


def emissions_of(segment: Segment) -> int:
    """How many emissions of 40 ms a segment has; the engine's `ModelSpec.frames_of`."""
    hop = EMISSION_SAMPLES // 4
    return -(-(len(segment.samples) // hop) // 4)
