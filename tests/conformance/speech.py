"""Real speech for the bundled model: the load tester's clips, with their transcripts."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from tests.conformance.server_process import ROOT

RATE_HZ: Final = 16_000
_CLIPS: Final = ROOT / "tools" / "loadtest" / "audio"
_FULL_SCALE: Final = 32_768


@dataclass(frozen=True, slots=True)
class Clip:
    """One sentence read aloud: (samples,) int16 at 16 kHz, and what was read."""

    audio: NDArray[np.int16]
    text: str

    @property
    def seconds(self) -> float:
        return self.audio.shape[0] / RATE_HZ


@cache
def clips(count: int) -> tuple[Clip, ...]:
    """The first ``count`` clips."""
    lines = (_CLIPS / "transcripts.jsonl").read_text().splitlines()[:count]
    return tuple(_read(json.loads(line)) for line in lines)


def continuous_speech(seconds: float) -> NDArray[np.int16]:
    """Sentences one after the other without the pauses around them, (samples,) int16."""
    needed = round(seconds * RATE_HZ)
    spoken = np.concatenate([_trimmed(clip.audio) for clip in clips(20)])
    assert spoken.shape[0] >= needed, "the clips together are not that long"
    return spoken[:needed]


def resampled(audio: NDArray[np.int16], rate_hz: int) -> NDArray[np.int16]:
    """16 kHz audio at another rate."""
    converted: NDArray[np.float32] = soxr.resample(audio.astype(np.float32), RATE_HZ, rate_hz)
    return np.clip(np.rint(converted), -_FULL_SCALE, _FULL_SCALE - 1).astype(np.int16)


def _read(line: dict[str, str]) -> Clip:
    audio, rate_hz = soundfile.read(_CLIPS / line["audio"], dtype="int16")
    assert rate_hz == RATE_HZ
    return Clip(audio, line["text"])


def _trimmed(audio: NDArray[np.int16]) -> NDArray[np.int16]:
    """Without the quiet at both ends: what stays within 2% of the clip's loudest sample."""
    loud = np.flatnonzero(
        np.abs(audio.astype(np.int32)) > np.abs(audio.astype(np.int32)).max() / 50
    )
    return audio[loud[0] : loud[-1] + 1]
