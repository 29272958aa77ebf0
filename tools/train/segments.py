"""Training examples: segments of speech as the engine meets them, with their transcripts.

A segment is a clip, or two with a pause between, with near silence before and after. Pure:
everything random follows from the generator that is passed in.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import soxr
from numpy.typing import NDArray

from tools.train.augment import augmented
from tools.train.dataset import SAMPLE_RATE_HZ, Clip, Dataset

_TWO_CLIPS_SHARE: Final = 0.2
_CHOSEN_FROM: Final = 16
_OTHER_SPEED_SHARE: Final = 0.4
_SPEEDS: Final = (0.88, 1.14)
_LONGEST_EDGE_S: Final = 0.4
_PAUSE_S: Final = (0.1, 0.8)
_ROOM_LEVEL: Final = 2.0
"""Root mean square of what is put around clips, of 32768."""


@dataclass(frozen=True, slots=True)
class Segment:
    """``samples`` (n,) float32 in -32768..32767 at 16 kHz, and what is said in them."""

    samples: NDArray[np.float32]
    text: str
    clips: int = 1


class SegmentSampler:
    """Draws segments from the clips of a data directory."""

    def __init__(self, data: Dataset) -> None:
        self._data = data
        clips = list(enumerate(data.clips))
        self.training = [clip for index, clip in clips if not data.is_validation(index)]
        self.validation = [clip for index, clip in clips if data.is_validation(index)]

    def drawn(self, rng: np.random.Generator, like: Segment | None = None) -> Segment:
        """A segment of training clips, augmented; ``like`` another one in length, nearly."""
        if like is None:
            count = 2 if rng.random() < _TWO_CLIPS_SHARE else 1
            clips = [self._choice(rng) for _ in range(count)]
        else:
            length = len(like.samples) // like.clips
            clips = [self._near(length, rng) for _ in range(like.clips)]
        return self._spoken(clips, rng)

    def beginning_with(self, clip: Clip, rng: np.random.Generator) -> Segment:
        """A segment of this clip, and perhaps of a second one, augmented."""
        clips = [clip]
        if rng.random() < _TWO_CLIPS_SHARE:
            clips.append(self._choice(rng))
        return self._spoken(clips, rng)

    def plain(self, clip: Clip) -> Segment:
        """A clip as it is, alone."""
        return Segment(self._data.audio(clip).astype(np.float32), clip.text)

    def _spoken(self, clips: list[Clip], rng: np.random.Generator) -> Segment:
        """The clips one after the other, with room around them, augmented."""
        parts = [self._room(0, _LONGEST_EDGE_S, rng)]
        for clip in clips:
            if len(parts) > 1:
                parts.append(self._room(*_PAUSE_S, rng))
            parts.append(_at_some_speed(self.plain(clip).samples, rng))
        parts.append(self._room(0, _LONGEST_EDGE_S, rng))
        samples = np.concatenate(parts)

        def babble() -> NDArray[np.float32]:
            others = [self.plain(self._choice(rng)).samples for _ in range(3)]
            return np.stack([np.resize(other, len(samples)) for other in others])

        text = " ".join(clip.text for clip in clips)
        return Segment(augmented(samples, babble, rng), text, len(clips))

    def _choice(self, rng: np.random.Generator) -> Clip:
        return self.training[rng.integers(len(self.training))]

    def _near(self, samples: int, rng: np.random.Generator) -> Clip:
        """Of some clips the one whose length is nearest."""
        some = [self._choice(rng) for _ in range(_CHOSEN_FROM)]
        return min(some, key=lambda clip: abs(clip.samples - samples))

    def _room(self, low_s: float, high_s: float, rng: np.random.Generator) -> NDArray[np.float32]:
        count = int(rng.uniform(low_s, high_s) * SAMPLE_RATE_HZ)
        return rng.standard_normal(count, np.float32) * np.float32(_ROOM_LEVEL)


def _at_some_speed(samples: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """Some clips a little slower or faster, the pitch along with it."""
    if rng.random() >= _OTHER_SPEED_SHARE:
        return samples
    speed = rng.uniform(*_SPEEDS)
    spoken: NDArray[np.float32] = soxr.resample(samples, SAMPLE_RATE_HZ * speed, SAMPLE_RATE_HZ)
    return spoken
