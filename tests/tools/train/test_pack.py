"""Packing: small, and nothing moves."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tools.train import pack as packing
from tools.train.dataset import Dataset, DatasetError


def test_clips_come_back_where_they_were(
    tone_data: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packing, "SHARD_SAMPLES", 64_000)
    shards = packing.pack(tone_data, tmp_path / "packed")
    assert len(shards) == -(-len(tone_data.samples) // 64_000)
    seconds = len(tone_data.samples) / 16_000
    assert sum(shard.stat().st_size for shard in shards) * 8 / seconds < 40_000
    summary = packing.unpack(tmp_path / "packed", tmp_path / "data")
    data = Dataset.load(tmp_path / "data")
    assert data.clips == tone_data.clips
    assert summary["packed_from"] == tone_data.summary["sha256"]
    assert summary["sha256"] != tone_data.summary["sha256"]
    for clip in data.clips:
        before, after = tone_data.audio(clip), data.audio(clip)
        assert np.corrcoef(before, after)[0, 1] > 0.95


def test_a_folder_without_shards_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="pack"):
        packing.unpack(tmp_path, tmp_path / "out")
