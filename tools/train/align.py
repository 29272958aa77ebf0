"""Stage 2: which letter each frame of each clip says, from a model that is already fair.

A model hears each whole clip; the likeliest path through the CTC lattice of the transcript says
when each letter is said. That is what lets a window of 4 s, which has no transcript of its own, be
trained with the letters that it holds.

    path.u8       (emissions,) uint8, the token of each emission of the flat file, 0 the blank
    scores.f32    (clips,) negative log-probability of the path per letter, in nats; infinite where
                  the frames cannot spell the text, not a number where it was not aligned yet
    align.json    which model and data they belong to
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from tqdm import tqdm

from gpu_worker.acoustic.whisper_ctc import WhisperCtc
from tools.train.dataset import EMISSION_SAMPLES, Clip, Dataset, DatasetError
from tools.train.forced import forced_path
from tools.train.network import MEL_PER_EMISSION, all_logits, silenced_after, whole_features

PATH_FILE: Final = "path.u8"
SCORES_FILE: Final = "scores.f32"
ABOUT_FILE: Final = "align.json"
_BATCH_EMISSIONS: Final = 2000
Memmap: TypeAlias = "np.memmap[Any, Any]"


@dataclass(frozen=True, slots=True)
class Alignment:
    """Path (emissions,) and scores (clips,) of a data directory."""

    path: NDArray[np.uint8]
    scores: NDArray[np.float32]
    about: dict[str, Any]

    @classmethod
    def load(cls, directory: Path, data: Dataset) -> Alignment:
        """Maps what `align` wrote.

        Raises:
            DatasetError: it is not there, or it belongs to other data.
        """
        try:
            about = json.loads((directory / ABOUT_FILE).read_text(encoding="utf-8"))
            path = np.memmap(directory / PATH_FILE, np.uint8, "r")
            scores = np.fromfile(directory / SCORES_FILE, np.float32)
        except (OSError, ValueError) as error:
            raise DatasetError(
                f"{directory} is not a directory made by `align`: {error}"
            ) from error
        if about["data"] != data.summary["sha256"]:
            raise DatasetError(f"{directory} was aligned with other data than {data.directory}")
        return cls(path, scores, about)


def align(
    model: WhisperCtc,
    vocabulary: tuple[str, ...],
    data: Dataset,
    output: Path,
    device: torch.device,
    minutes: float | None = None,
    **about: Any,
) -> int:
    """Aligns the clips of ``data`` that ``output`` has no path for yet, in random order.

    Stops after ``minutes``; what is there by then is a fair sample and can be trained on. ``about``
    goes into align.json. Returns how many clips are aligned.

    Raises:
        DatasetError: ``output`` belongs to other data.
    """
    path, scores = _opened(output, data, about)
    numbers = {letter: number for number, letter in enumerate(vocabulary)}
    missing = [index for index, score in enumerate(scores) if math.isnan(score)]
    started_s = time.monotonic()
    with tqdm(total=len(missing), unit="clip", desc="align") as bar:
        for batch in batches_by_length(data.clips, missing):
            if minutes is not None and time.monotonic() - started_s > 60 * minutes:
                break
            clips = [data.clips[index] for index in batch]
            found = aligned_batch(model, numbers, data, clips, device)
            for index, clip, (tokens, log_prob) in zip(batch, clips, found, strict=True):
                path[clip.first_emission : clip.end_emission] = tokens
                scores[index] = -log_prob / len(clip.text)
            bar.update(len(batch))
    path.flush()
    scores.flush()
    return int(np.count_nonzero(~np.isnan(scores)))


def _opened(output: Path, data: Dataset, about: dict[str, Any]) -> tuple[Memmap, Memmap]:
    """Path and scores of ``output``, mapped for writing; new where there are none."""
    if (output / ABOUT_FILE).exists():
        Alignment.load(output, data)
        path = np.memmap(output / PATH_FILE, np.uint8, "r+")
        return path, np.memmap(output / SCORES_FILE, np.float32, "r+")
    output.mkdir(parents=True, exist_ok=True)
    path = np.memmap(output / PATH_FILE, np.uint8, "w+", shape=(data.emissions,))
    scores = np.memmap(output / SCORES_FILE, np.float32, "w+", shape=(len(data.clips),))
    scores[:] = np.nan
    facts = {**about, "data": data.summary["sha256"]}
    (output / ABOUT_FILE).write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
    return path, scores


def batches_by_length(clips: Sequence[Clip], chosen: Sequence[int]) -> list[list[int]]:
    """The chosen indices in batches of similar lengths, about 80 s each, in random order."""
    batches: list[list[int]] = []
    for index in sorted(chosen, key=lambda i: clips[i].emissions):
        longest = clips[index].emissions
        if not batches or (len(batches[-1]) + 1) * longest > _BATCH_EMISSIONS:
            batches.append([])
        batches[-1].append(index)
    order = np.random.default_rng(0).permutation(len(batches))
    return [batches[number] for number in order]


def aligned_batch(
    model: WhisperCtc,
    numbers: dict[str, int],
    data: Dataset,
    clips: list[Clip],
    device: torch.device,
) -> list[tuple[NDArray[np.uint8], float]]:
    """Path and log-probability of each of a batch of clips."""
    longest = max(clip.emissions for clip in clips)
    samples = np.zeros((len(clips), longest * EMISSION_SAMPLES), np.float32)
    for row, clip in zip(samples, clips, strict=True):
        row[: clip.emissions * EMISSION_SAMPLES] = data.audio(clip)
    frames = torch.tensor([clip.emissions * MEL_PER_EMISSION for clip in clips], device=device)
    with torch.inference_mode():
        mel = whole_features(model, torch.from_numpy(samples).to(device))
        logits = all_logits(model, silenced_after(mel, frames)).float()
        log_probs = logits.log_softmax(-1).cpu().numpy()
    return [
        forced_path(rows[: clip.emissions], np.array([numbers[letter] for letter in clip.text]))
        for rows, clip in zip(log_probs, clips, strict=True)
    ]
