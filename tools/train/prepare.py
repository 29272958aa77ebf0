"""Stage 1: corpora in, one data directory out (see `dataset`).

Audio of any rate and format that libsndfile reads becomes mono int16 at 16 kHz; transcripts take
the model's spelling. A speed other than 1 adds a resampled copy of every clip, whose targets are
aligned like any other's.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray
from tqdm import tqdm

from tools.train.dataset import SAMPLE_RATE_HZ, DatasetWriter
from tools.train.readers import READERS, Recording
from tools.train.text import normalised


@dataclass(frozen=True, slots=True)
class Corpus:
    """A corpus on disk: the name it goes by, its reader's name, where it is."""

    name: str
    kind: str
    path: Path


def prepare(
    corpora: Iterable[Corpus],
    output: Path,
    speeds: tuple[float, ...] = (1.0,),
    longest_s: float = 25.0,
) -> dict[str, object]:
    """Writes ``output`` and returns its summary.

    Clips shorter than half a second or longer than ``longest_s`` are left out, as are clips with
    more than 25 letters a second, which nobody speaks.

    Raises:
        CorpusError: a corpus is not what its kind says.
        DatasetError: nothing usable was found.
    """
    writer = DatasetWriter(output)
    left_out = 0
    for corpus in corpora:
        for recording, text in tqdm(list(_spelled(corpus)), desc=corpus.name, file=sys.stderr):
            try:
                samples = read_mono(recording.audio)
            except soundfile.LibsndfileError:
                left_out += 1
                continue
            for speed in speeds:
                copy = at_speed(samples, speed)
                seconds = len(copy) / SAMPLE_RATE_HZ
                if 0.5 <= seconds <= longest_s and len(text) < 25 * seconds:
                    writer.add(copy, corpus.name, recording.speaker, text)
                else:
                    left_out += 1
    return writer.close(speeds=list(speeds), longest_s=longest_s, left_out=left_out)


def _spelled(corpus: Corpus) -> Iterator[tuple[Recording, str]]:
    for recording in READERS[corpus.kind](corpus.path):
        text = normalised(recording.transcript)
        if text is not None:
            yield recording, text


def read_mono(path: Path) -> NDArray[np.int16]:
    """The file's audio, (n,) int16 at 16 kHz, channels averaged."""
    audio, rate_hz = soundfile.read(path, dtype="float32", always_2d=True)
    return _to_int16(soxr.resample(audio.mean(axis=1), rate_hz, SAMPLE_RATE_HZ))


def at_speed(samples: NDArray[np.int16], speed: float) -> NDArray[np.int16]:
    """Spoken ``speed`` times as fast, the pitch along with it."""
    if speed == 1.0:
        return samples
    floats = samples.astype(np.float32) / 32768
    return _to_int16(soxr.resample(floats, SAMPLE_RATE_HZ * speed, SAMPLE_RATE_HZ))


def _to_int16(audio: NDArray[np.float32]) -> NDArray[np.int16]:
    clipped: NDArray[np.int16] = np.clip(np.rint(audio * 32768), -32768, 32767).astype(np.int16)
    return clipped
