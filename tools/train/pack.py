"""A prepared data directory made small enough to carry: Ogg Opus shards, and back.

Clips follow each other in one Opus stream per shard, at about 20 kbit/s 9 MB an hour. Opus is lossy
and keeps the number of samples, so clips stay where they were and an alignment made before packing
still fits; the unpacked directory has hashes of its own.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any, Final

import numpy as np
import soundfile
from tqdm import tqdm

from tools.train.dataset import (
    AUDIO_FILE,
    CLIPS_FILE,
    SAMPLE_RATE_HZ,
    SUMMARY_FILE,
    Dataset,
    DatasetError,
    sha256_of,
)

SHARD_SAMPLES: Final = 3600 * SAMPLE_RATE_HZ
"""An hour: a shard stays below any limit on one file's size."""
_COMPRESSION: Final = 0.94
"""libsndfile's scale from 256 (0.0) to 6 (1.0) kbit/s a channel, linear: 21 kbit/s."""


def pack(data: Dataset, output: Path) -> list[Path]:
    """Writes the shards of ``data`` beside copies of its small files; returns their paths."""
    output.mkdir(parents=True, exist_ok=True)
    shards = []
    starts = range(0, len(data.samples), SHARD_SAMPLES)
    for number, start in enumerate(tqdm(starts, desc="pack", unit="shard")):
        samples = data.samples[start : start + SHARD_SAMPLES]
        path = output / f"audio-{number:03}.opus"
        soundfile.write(
            path,
            samples,
            SAMPLE_RATE_HZ,
            format="OGG",
            subtype="OPUS",
            compression_level=_COMPRESSION,
        )
        shards.append(path)
    for name in (CLIPS_FILE, SUMMARY_FILE):
        shutil.copyfile(data.directory / name, output / name)
    return shards


def unpack(packed: Path, output: Path) -> dict[str, Any]:
    """Writes a data directory from the shards of ``packed``; returns its summary.

    Raises:
        DatasetError: shards are missing or do not hold as much as the clips need.
    """
    shards = sorted(packed.glob("audio-*.opus"))
    if not shards:
        raise DatasetError(f"{packed} holds no audio-*.opus: give a folder made by `pack`")
    output.mkdir(parents=True, exist_ok=True)
    with (output / AUDIO_FILE).open("wb") as audio:
        for shard in tqdm(shards, desc="unpack", unit="shard"):
            samples, _ = soundfile.read(shard, dtype="int16")
            audio.write(samples.astype(np.dtype("<i2")).tobytes())
    shutil.copyfile(packed / CLIPS_FILE, output / CLIPS_FILE)
    summary: dict[str, Any] = json.loads((packed / SUMMARY_FILE).read_text(encoding="utf-8"))
    summary["packed_from"] = summary["sha256"]
    summary["sha256"] = {name: sha256_of(output / name) for name in (AUDIO_FILE, CLIPS_FILE)}
    (output / SUMMARY_FILE).write_text(json.dumps(summary, indent=1) + "\n", encoding="utf-8")
    Dataset.load(output)
    return summary
