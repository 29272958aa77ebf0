"""Training examples: windows of the serving geometry at random places of the speech.

A window is what the engine stages for one chunk: left context, chunk, look-ahead. Around the clip
that the chunk falls into stands either silence, as before a segment's first sound and after its
end, or, after a short gap, other clips, as in the middle of a segment. Which text a window holds
follows from the alignment. Pure: everything random follows from the generator that is passed in.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from gpu_worker.acoustic.features import FFT_SAMPLES, HOP_SAMPLES
from tools.train.align import Alignment
from tools.train.dataset import EMISSION_SAMPLES, Clip, Dataset
from tools.train.forced import BLANK
from tools.train.network import MEL_PER_EMISSION

LEFT_EMISSIONS: Final = 80
RIGHT_EMISSIONS: Final = 8
MARGIN_SAMPLES: Final = FFT_SAMPLES // 2
CHUNK_EMISSIONS: Final = (16, 8, 4)
CHUNK_SHARES: Final = (0.6, 0.2, 0.2)
_ALONE_SHARE: Final = 0.5
_LONGEST_GAP: Final = 15
_CUT_LEFT: Final = 8
_LOOK_AHEAD: Final = 5
SPACE: Final = 1
"""The token between two clips of one segment."""


@dataclass(frozen=True, slots=True)
class Windows:
    """A batch of windows of e emissions, n = 640 e + 240 samples each.

    ``pcm`` (batch, n) float32 in -32768..32767; ``span`` (batch, 2) int64, where in the window the
    segment begins and ends; ``path`` (batch, e) uint8, the token that each emission says.
    """

    pcm: NDArray[np.float32]
    span: NDArray[np.int64]
    path: NDArray[np.uint8]


class WindowSampler:
    """Draws windows from the clips of a data directory whose alignment is believed."""

    def __init__(self, data: Dataset, alignment: Alignment, worst_score: float) -> None:
        self._data = data
        self._path = alignment.path
        good = [i for i, s in enumerate(alignment.scores) if s <= worst_score]
        self.training = [data.clips[i] for i in good if not data.is_validation(i)]
        self.validation = [data.clips[i] for i in good if data.is_validation(i)]

    def batch(self, clips: list[Clip], size: int, rng: np.random.Generator) -> Windows:
        """``size`` windows, all of one randomly chosen chunk length."""
        chunk = int(rng.choice(CHUNK_EMISSIONS, p=CHUNK_SHARES))
        lengths = np.array([clip.emissions for clip in clips], np.float64)
        anchors = rng.choice(len(clips), size, p=lengths / lengths.sum())
        rows = [self._window(clips, clips[anchor], chunk, rng) for anchor in anchors]
        pcm, span, path = (np.stack(parts) for parts in zip(*rows, strict=True))
        return Windows(pcm, span, path)

    def _window(
        self, clips: list[Clip], anchor: Clip, chunk: int, rng: np.random.Generator
    ) -> tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.uint8]]:
        """Samples, span and path of one window."""
        emissions = LEFT_EMISSIONS + chunk + RIGHT_EMISSIONS
        samples = np.zeros(window_samples(emissions), np.float32)
        path = np.zeros(emissions, np.uint8)
        first = LEFT_EMISSIONS - int(rng.integers(-chunk // 2, anchor.emissions))
        last = first + anchor.emissions
        self._place(anchor, first, samples, path)
        segment_begins = rng.random() < _ALONE_SHARE
        segment_ends = rng.random() < _ALONE_SHARE
        begin = max(first, 0) if segment_begins else 0
        end = min(last, emissions) if segment_ends else emissions
        while not segment_begins and first > 0:
            first -= 1 + int(rng.integers(_LONGEST_GAP))
            if first >= 0:
                path[first] = SPACE
            before = clips[rng.integers(len(clips))]
            first -= before.emissions
            self._place(before, first, samples, path)
        while not segment_ends and last < emissions:
            path[last] = SPACE
            last += 1 + int(rng.integers(_LONGEST_GAP))
            after = clips[rng.integers(len(clips))]
            self._place(after, last, samples, path)
            last += after.emissions
        span = np.array(
            [
                begin * EMISSION_SAMPLES + MARGIN_SAMPLES if begin else 0,
                end * EMISSION_SAMPLES + MARGIN_SAMPLES if end < emissions else len(samples),
            ]
        )
        return samples, span, path

    def _place(
        self, clip: Clip, first: int, samples: NDArray[np.float32], path: NDArray[np.uint8]
    ) -> None:
        """Writes what of the clip falls into the window if it begins at emission ``first``."""
        begin = first * EMISSION_SAMPLES + MARGIN_SAMPLES
        audio = self._data.audio(clip)
        into = slice(max(begin, 0), min(begin + len(audio), len(samples)))
        if into.start < into.stop:
            samples[into] = audio[into.start - begin : into.stop - begin]
        rows = slice(max(first, 0), min(first + clip.emissions, len(path)))
        if rows.start < rows.stop:
            offset = clip.first_emission - first
            path[rows] = self._path[rows.start + offset : rows.stop + offset]


def window_samples(emissions: int) -> int:
    """Samples that the features of so many emissions see; 66,800 for a chunk of 640 ms."""
    return (emissions * MEL_PER_EMISSION - 1) * HOP_SAMPLES + FFT_SAMPLES


def supervised(path: NDArray[np.uint8]) -> tuple[int, int]:
    """From which emission to which (exclusive) a window's text is known: (0, 0) if nowhere.

    From a blank to a blank, so that no letter is cut, away from the edge where speech was cut off
    on the left, and with some look-ahead on the right.
    """
    blanks = np.flatnonzero(path == BLANK)
    blanks = blanks[(blanks >= _CUT_LEFT) & (blanks < len(path) - _LOOK_AHEAD)]
    return (int(blanks[0]), int(blanks[-1]) + 1) if len(blanks) else (0, 0)


def collapsed(path: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The tokens that a path says: repeats once, blanks out."""
    changed = np.diff(path, prepend=np.uint8(BLANK)) != 0
    tokens: NDArray[np.uint8] = path[changed & (path != BLANK)]
    return tokens
