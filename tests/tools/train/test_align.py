"""Alignment of a small data directory, resumed and refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from gpu_worker.acoustic.load import load_model
from gpu_worker.acoustic.whisper_ctc import WhisperCtc
from models import BUNDLED_MODEL
from models.spec import ModelSpec
from tools.train.align import Alignment, align, batches_by_length
from tools.train.dataset import Clip, Dataset, DatasetError, DatasetWriter
from tools.train.windows import collapsed

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def spec() -> ModelSpec:
    return ModelSpec.load(BUNDLED_MODEL)


@pytest.fixture(scope="module")
def model(spec: ModelSpec) -> WhisperCtc:
    model = load_model(spec, CPU)
    assert isinstance(model, WhisperCtc)
    return model


def test_every_clip_says_its_text(
    model: WhisperCtc, spec: ModelSpec, tone_data: Dataset, tmp_path: Path
) -> None:
    assert align(model, spec.vocabulary, tone_data, tmp_path, CPU, teacher="bundled") == 4
    found = Alignment.load(tmp_path, tone_data)
    assert found.about["teacher"] == "bundled"
    for clip, score in zip(tone_data.clips, found.scores, strict=True):
        tokens = collapsed(found.path[clip.first_emission : clip.end_emission])
        assert "".join(spec.vocabulary[token] for token in tokens) == clip.text
        assert 0 < score < np.inf


def test_it_goes_on_where_it_stopped(
    model: WhisperCtc, spec: ModelSpec, tone_data: Dataset, tmp_path: Path
) -> None:
    assert align(model, spec.vocabulary, tone_data, tmp_path, CPU, minutes=-1) == 0
    assert np.isnan(Alignment.load(tmp_path, tone_data).scores).all()
    assert align(model, spec.vocabulary, tone_data, tmp_path, CPU) == 4
    whole = np.array(Alignment.load(tmp_path, tone_data).path)
    assert align(model, spec.vocabulary, tone_data, tmp_path, CPU) == 4
    np.testing.assert_array_equal(Alignment.load(tmp_path, tone_data).path, whole)


def test_other_data_is_refused(
    model: WhisperCtc, spec: ModelSpec, tone_data: Dataset, tmp_path: Path
) -> None:
    align(model, spec.vocabulary, tone_data, tmp_path / "aligned", CPU, minutes=-1)
    writer = DatasetWriter(tmp_path / "other")
    writer.add(np.ones(20_000, np.int16), "noise", "nobody", "hiss")
    writer.close()
    with pytest.raises(DatasetError, match="other data"):
        Alignment.load(tmp_path / "aligned", Dataset.load(tmp_path / "other"))


def test_a_folder_without_alignment_is_refused(tone_data: Dataset, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="align"):
        Alignment.load(tmp_path, tone_data)


def test_batches_hold_each_clip_once_and_few_long_ones() -> None:
    lengths = np.random.default_rng(0).integers(10, 600, 200)
    clips = [Clip("s", "p", "t", 0, int(length)) for length in lengths]
    batches = batches_by_length(clips, range(100, 200))
    assert sorted(index for batch in batches for index in batch) == list(range(100, 200))
    assert all(len(b) * max(clips[i].emissions for i in b) <= 2000 for b in batches)
