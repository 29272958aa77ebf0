"""The data directory: what is written is what is mapped."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tools.train.dataset import AUDIO_FILE, Dataset, DatasetError, DatasetWriter


@settings(max_examples=20)
@given(st.lists(st.integers(1, 3000), min_size=1, max_size=5))
def test_clips_come_back(tmp_path_factory: pytest.TempPathFactory, lengths: list[int]) -> None:
    folder = tmp_path_factory.mktemp("data")
    rng = np.random.default_rng(len(lengths))
    written = [rng.integers(-9, 9, length).astype(np.int16) for length in lengths]
    writer = DatasetWriter(folder)
    for samples in written:
        writer.add(samples, "noise", "nobody", "hiss")
    writer.close()
    data = Dataset.load(folder)
    for clip, samples in zip(data.clips, written, strict=True):
        np.testing.assert_array_equal(data.audio(clip), samples)


def test_the_summary_counts_hours_and_speakers(tone_data: Dataset) -> None:
    tones = tone_data.summary["sources"]["tones"]
    assert tones["clips"] == 4
    assert tones["speakers"] == 2
    assert tones["hours"] == round(len(tone_data.samples) / 16_000 / 3600, 3)


def test_a_cut_off_file_is_refused(tmp_path: Path) -> None:
    writer = DatasetWriter(tmp_path)
    writer.add(np.ones(2000, np.int16), "noise", "nobody", "hiss")
    writer.close()
    audio = (tmp_path / AUDIO_FILE).read_bytes()
    (tmp_path / AUDIO_FILE).write_bytes(audio[:-2])
    with pytest.raises(DatasetError, match="do not belong together"):
        Dataset.load(tmp_path)


def test_another_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="prepare"):
        Dataset.load(tmp_path)


def test_no_clips_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="not one usable clip"):
        DatasetWriter(tmp_path).close()


def test_one_clip_in_fifty_is_for_validation(tone_data: Dataset) -> None:
    assert sum(tone_data.is_validation(index) for index in range(200)) == 4
