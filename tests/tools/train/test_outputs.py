"""What lower layers make of the data: the same as when they are run in training."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tests.tools.train.conftest import SPEC, small_model
from tools.train.batches import batch_of
from tools.train.dataset import Dataset, DatasetError
from tools.train.outputs import (
    OUTPUTS_FILE,
    SEGMENTS_FILE,
    SUMMARY_FILE,
    UNFINISHED_FILE,
    Outputs,
    compute_outputs,
)
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


@pytest.mark.parametrize(("segments", "torn"), [(0, 0), (1, 70), (4, 0), (5, 100)])
def test_it_goes_on_where_it_was_stopped(
    folder: Path, tone_data: Dataset, tmp_path: Path, segments: int, torn: int
) -> None:
    """Killed at any place: with a part of a group written, and of a line."""
    whole = Outputs.load(folder)
    lines = (folder / SEGMENTS_FILE).read_text(encoding="utf-8").splitlines(keepends=True)
    assert len(lines) > segments + 1
    begun = "".join(lines[:segments]) + lines[segments][: torn // 10]
    (tmp_path / SEGMENTS_FILE).write_text(begun, encoding="utf-8")
    written = 2 * whole.segments[segments].first_frame * whole.summary["width"] + torn
    (tmp_path / OUTPUTS_FILE).write_bytes((folder / OUTPUTS_FILE).read_bytes()[:written])
    summary = (folder / SUMMARY_FILE).read_bytes()
    (tmp_path / UNFINISHED_FILE).write_bytes(summary)
    compute(tone_data, tmp_path)
    for file in folder.iterdir():
        assert (tmp_path / file.name).read_bytes() == file.read_bytes()
    assert not (tmp_path / UNFINISHED_FILE).exists()


def test_it_goes_on_where_it_had_only_begun(
    folder: Path, tone_data: Dataset, tmp_path: Path
) -> None:
    (tmp_path / UNFINISHED_FILE).write_bytes((folder / SUMMARY_FILE).read_bytes())
    compute(tone_data, tmp_path)
    assert (tmp_path / OUTPUTS_FILE).read_bytes() == (folder / OUTPUTS_FILE).read_bytes()


def test_it_can_be_killed_while_it_writes_its_settings(
    folder: Path, tone_data: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("os.replace", killed)
        with pytest.raises(KeyboardInterrupt):
            compute(tone_data, tmp_path)
    assert not (tmp_path / UNFINISHED_FILE).exists()
    compute(tone_data, tmp_path)
    assert (tmp_path / OUTPUTS_FILE).read_bytes() == (folder / OUTPUTS_FILE).read_bytes()


def test_a_part_that_is_gone_is_told(folder: Path, tone_data: Dataset, tmp_path: Path) -> None:
    for file in folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / OUTPUTS_FILE).write_bytes(b"")
    with pytest.raises(DatasetError, match="lacks what segments"):
        compute(tone_data, tmp_path)


def test_other_settings_need_another_folder(
    folder: Path, tone_data: Dataset, tmp_path: Path
) -> None:
    compute(tone_data, tmp_path)
    with pytest.raises(DatasetError, match="other settings: take another folder"):
        compute(tone_data, tmp_path, seed=3)
    compute(tone_data, tmp_path)
    assert (tmp_path / OUTPUTS_FILE).read_bytes() == (folder / OUTPUTS_FILE).read_bytes()


def test_what_is_not_whole_is_told(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="not a directory made by `outputs`"):
        Outputs.load(tmp_path)
    for file in folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    lines = (tmp_path / SEGMENTS_FILE).read_text(encoding="utf-8").splitlines(keepends=True)
    (tmp_path / SEGMENTS_FILE).write_text("".join(lines[:-1]), encoding="utf-8")
    with pytest.raises(DatasetError, match="do not belong together"):
        Outputs.load(tmp_path)
