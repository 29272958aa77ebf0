"""What lower layers make of the data: the same as when they are run in training."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tests.tools.train.conftest import SPEC, small_model
from tools.train.batches import batch_of
from tools.train.dataset import Dataset, DatasetError
from tools.train.outputs import OUTPUTS_FILE, SEGMENTS_FILE, Outputs, compute_outputs
from tools.train.segments import Segment, SegmentSampler


@pytest.fixture(scope="module")
def folder(tone_data: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("outputs")
    compute(tone_data, output)
    return output


def compute(data: Dataset, output: Path, seed: int = 2) -> None:
    sampler = SegmentSampler(data)
    model = small_model().eval()
    about = {"data": "tones"}
    compute_outputs(
        model, sampler, SPEC, output, layers=1, variants=2, seed=seed, about=about
    )  # fmt: skip


def test_every_clip_is_there_in_every_variant(folder: Path, tone_data: Dataset) -> None:
    outputs = Outputs.load(folder)
    assert len(outputs.segments) == 2 * len(SegmentSampler(tone_data).training)
    for clip in SegmentSampler(tone_data).training:
        assert sum(segment.text.startswith(clip.text) for segment in outputs.segments) >= 2
    assert outputs.summary["layers"] == 1
    assert outputs.summary["data"] == "tones"


def test_the_upper_layers_go_on_from_them(tone_data: Dataset, tmp_path: Path) -> None:
    """Above them comes out what the whole encoder makes of the same segment."""
    clip = SegmentSampler(tone_data).training[0]
    plain = SegmentSampler(tone_data).plain(clip)

    class Plainly(SegmentSampler):
        def beginning_with(self, *_: object) -> Segment:
            return plain

    model = small_model().eval()
    sampler = Plainly(tone_data)
    sampler.training = [clip]
    compute_outputs(model, sampler, SPEC, tmp_path, layers=1, variants=1, seed=1, about={})
    outputs = Outputs.load(tmp_path)
    (segment,) = outputs.segments
    assert segment.text == clip.text
    assert segment.frames == SPEC.frames_of(clip.samples)

    batch = batch_of([plain], SPEC, 0, 1 + segment.frames, 0)
    with torch.no_grad():
        whole = model.encoder.windows(batch.pcm.float() / 32_768.0, batch.span)
        heard = torch.ones(1, segment.frames, dtype=torch.bool)
        above = model.encoder.above(outputs.of(segment).float()[None], heard, 1)
    torch.testing.assert_close(above[0], whole[0, : segment.frames], atol=0.1, rtol=0.05)


def test_they_follow_from_the_seed(folder: Path, tone_data: Dataset, tmp_path: Path) -> None:
    for name, seed in (("same", 2), ("other", 3)):
        compute(tone_data, tmp_path / name, seed)
    own, same, other = (
        (path / OUTPUTS_FILE).read_bytes()
        for path in (folder, tmp_path / "same", tmp_path / "other")
    )
    assert own == same
    assert own != other


def test_what_is_not_whole_is_told(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="not a directory made by `outputs`"):
        Outputs.load(tmp_path)
    for file in folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    lines = (tmp_path / SEGMENTS_FILE).read_text(encoding="utf-8").splitlines(keepends=True)
    (tmp_path / SEGMENTS_FILE).write_text("".join(lines[:-1]), encoding="utf-8")
    with pytest.raises(DatasetError, match="do not belong together"):
        Outputs.load(tmp_path)
