"""Stage 2, if lower layers stay as they are: what they make of the speech, computed once.

    outputs.bf16     (frames, width) bfloat16: segments as they come to the first layer that learns
    segments.jsonl   a line per segment: first_frame, frames, text
    outputs.json     which data, weights and layers they were made with; `unfinished.json` until all
                     are there

Every training clip comes once in each variant, augmented anew, alone or with another one behind
it, and whole: for the engine's windows all layers are trained afterwards, without these. An hour
in one variant is 90 MB at a width of 288.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from tqdm import tqdm

from gpu_worker.acoustic.moonshine_ctc import MoonshineCtc
from models.spec import ModelSpec
from tools.train.batches import batch_of
from tools.train.dataset import DatasetError
from tools.train.segments import Segment, SegmentSampler

OUTPUTS_FILE: Final = "outputs.bf16"
SEGMENTS_FILE: Final = "segments.jsonl"
SUMMARY_FILE: Final = "outputs.json"
UNFINISHED_FILE: Final = "unfinished.json"
_SETTINGS: Final = ("data", "weights", "layers", "variants", "seed", "width")
"""What must be the same for a run to go on from another."""
_TOGETHER: Final = 12
"""Segments of about the same length in a forward pass."""


@dataclass(frozen=True, slots=True)
class HeardSegment:
    """Where a segment's frames lie in the flat file, and what is said in them."""

    first_frame: int
    frames: int
    text: str

    @property
    def stop(self) -> int:
        """The frame after its last."""
        return self.first_frame + self.frames


@dataclass(frozen=True, slots=True)
class Outputs:
    """A directory of them, mapped. ``frames`` (n, width) is bfloat16 seen as int16."""

    segments: tuple[HeardSegment, ...]
    frames: NDArray[np.int16]
    summary: dict[str, Any]

    @classmethod
    def load(cls, directory: Path) -> Outputs:
        """Maps the directory.

        Raises:
            DatasetError: it is not one, or its files do not belong together.
        """
        try:
            summary = json.loads((directory / SUMMARY_FILE).read_text(encoding="utf-8"))
            lines = (directory / SEGMENTS_FILE).read_text(encoding="utf-8").splitlines()
            flat = np.memmap(directory / OUTPUTS_FILE, np.dtype("<i2"), "r")
            frames = flat.reshape(-1, summary["width"])
        except (OSError, ValueError, KeyError) as error:
            raise DatasetError(
                f"{directory} is not a directory made by `outputs`: {error}"
            ) from error
        segments = tuple(HeardSegment(**json.loads(line)) for line in lines)
        if not segments or segments[-1].stop != len(frames):
            raise DatasetError(
                f"{directory}: {OUTPUTS_FILE} and {SEGMENTS_FILE} do not belong together"
            )
        return cls(segments, frames, summary)

    def of(self, segment: HeardSegment) -> torch.Tensor:
        """(frames, width) bfloat16, a copy."""
        own = np.array(self.frames[segment.first_frame : segment.stop])
        return torch.from_numpy(own).view(torch.bfloat16)


def compute_outputs(
    model: MoonshineCtc,
    sampler: SegmentSampler,
    spec: ModelSpec,
    output: Path,
    *,
    layers: int,
    variants: int,
    seed: int,
    about: dict[str, Any],
) -> dict[str, Any]:
    """Writes ``output`` with what the first ``layers`` of ``model`` make of the training clips.

    Everything random follows from (seed, variant, clip), so it goes on where an earlier run of the
    same settings was stopped. Returns the summary, with ``about`` in it.

    Raises:
        DatasetError: ``output`` holds what was made with other settings, or a part of it is gone.
    """
    summary = {**about, "layers": layers, "variants": variants, "seed": seed}
    summary["width"] = len(model.encoder.layer_norm.weight)
    output.mkdir(parents=True, exist_ok=True)
    summary = _begun(output, summary)
    order = sorted(range(len(sampler.training)), key=lambda i: sampler.training[i].samples)
    segments = _whole_groups(output, len(order))
    reached = segments[-1].stop if segments else 0
    with (
        (output / OUTPUTS_FILE).open("ab") as file,
        (output / SEGMENTS_FILE).open("a", encoding="utf-8") as lines,
        tqdm(
            total=variants * len(order), initial=len(segments), unit="clip", desc="outputs"
        ) as bar,
    ):
        written = 2 * reached * summary["width"]
        if file.tell() < written:
            raise DatasetError(
                f"{output}: {OUTPUTS_FILE} lacks what {SEGMENTS_FILE} lists: take another folder"
            )
        file.truncate(written)
        while len(segments) < variants * len(order):
            begun = len(segments)
            variant, place = divmod(begun, len(order))
            group = order[place : place + _TOGETHER]
            for some in _portions(sampler, group, variant, seed):
                for own, segment in zip(_heard(model, some, spec, layers), some, strict=True):
                    file.write(own.view(torch.int16).numpy().astype(np.dtype("<i2")).tobytes())
                    segments.append(HeardSegment(reached, len(own), segment.text))
                    reached = segments[-1].stop
            file.flush()
            lines.writelines(map(_line, segments[begun:]))
            lines.flush()
            bar.update(len(segments) - begun)
    hours = reached * spec.frame_s / 3600
    summary |= {"segments": len(segments), "hours": round(hours, 3)}
    _write_summary(output / SUMMARY_FILE, summary)
    (output / UNFINISHED_FILE).unlink(missing_ok=True)
    return summary


def _begun(output: Path, summary: dict[str, Any]) -> dict[str, Any]:
    """The summary that the run was begun with, now or earlier."""
    for file in (output / SUMMARY_FILE, output / UNFINISHED_FILE):
        if file.is_file():
            earlier: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
            if any(earlier.get(key) != summary.get(key) for key in _SETTINGS):
                raise DatasetError(f"{output} holds outputs of other settings: take another folder")
            return earlier
    _write_summary(output / UNFINISHED_FILE, summary)
    return summary


def _whole_groups(output: Path, clips: int) -> list[HeardSegment]:
    """The segments that are there, up to the last whole group of ``clips``' variants."""
    file = output / SEGMENTS_FILE
    lines = file.read_text(encoding="utf-8").splitlines(keepends=True) if file.is_file() else []
    segments = [HeardSegment(**json.loads(line)) for line in lines if line.endswith("\n")]
    variants, rest = divmod(len(segments), clips)
    del segments[variants * clips + rest // _TOGETHER * _TOGETHER :]
    file.write_text("".join(map(_line, segments)), encoding="utf-8")
    return segments


def _write_summary(path: Path, summary: dict[str, Any]) -> None:
    """Whole or not at all."""
    part = path.with_suffix(".part")
    part.write_text(json.dumps(summary, indent=1) + "\n", encoding="utf-8")
    os.replace(part, path)


def _line(segment: HeardSegment) -> str:
    return json.dumps(asdict(segment)) + "\n"


def _portions(
    sampler: SegmentSampler, group: Sequence[int], variant: int, seed: int
) -> Iterator[list[Segment]]:
    """Clips of about the same length, by their numbers: those alone, those with another behind."""
    drawn = [
        sampler.beginning_with(sampler.training[clip], np.random.default_rng([seed, variant, clip]))
        for clip in group
    ]
    for count in (1, 2):
        if some := [segment for segment in drawn if segment.clips == count]:
            yield some


@torch.no_grad()
def _heard(
    model: MoonshineCtc, segments: Sequence[Segment], spec: ModelSpec, layers: int
) -> list[torch.Tensor]:
    """For each segment (frames, width) bfloat16."""
    frames = [max(1, spec.frames_of(len(segment.samples))) for segment in segments]
    batch = batch_of(segments, spec, 0, 1 + max(frames), 0)
    with torch.autocast("cpu", torch.bfloat16):
        out, _ = model.encoder.below(batch.pcm.float() / 32_768.0, batch.span, layers)
    return [own[:count].to(torch.bfloat16) for own, count in zip(out, frames, strict=True)]
