"""Stage 2, the loop: batches in, checkpoints and a log out, within steps and minutes.

    checkpoint.pt      the newest; the run goes on from it if it is there
    step-000500.pt     kept for comparison, one in `keep_every` steps
    log.jsonl          a line per `save_every` steps: step, loss, validation loss, seconds

Bounded by the recipe's steps; with `minutes` it stops earlier, at a checkpoint.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tqdm import tqdm

from models.spec import ModelSpec
from tools.train.batches import Batch, Lesson, batch_of, right_frames
from tools.train.segments import SegmentSampler
from tools.train.trainer import Trainer

CHECKPOINT_FILE: Final = "checkpoint.pt"
LOG_FILE: Final = "log.jsonl"
_VALIDATION_BATCHES: Final = 8
_VALIDATION_CLIPS: Final = 3


@dataclass(frozen=True, slots=True)
class Pace:
    """How long to run, how often to save and to keep."""

    minutes: float | None = None
    save_every: int = 100
    keep_every: int = 1000


def run(
    trainer: Trainer,
    batches: Callable[[int], Iterable[Lesson]],
    validation: Sequence[Lesson],
    output: Path,
    pace: Pace,
) -> None:
    """Trains until the recipe's steps are done or the time is up, resuming what is in ``output``.

    ``batches`` gives those from a step on.

    Raises:
        RecipeError: ``output`` holds the checkpoint of another recipe or other data.
    """
    output.mkdir(parents=True, exist_ok=True)
    checkpoint = output / CHECKPOINT_FILE
    if checkpoint.exists():
        trainer.resume(checkpoint)
    started_s = time.monotonic()
    losses: list[float] = []
    with tqdm(total=trainer.recipe.steps, initial=trainer.step, unit="step", desc="train") as bar:
        for batch in batches(trainer.step):
            progress = trainer.advance(batch)
            losses.append(progress.loss)
            bar.update()
            bar.set_postfix(loss=f"{progress.loss:.3f}", refresh=False)
            if trainer.step % pace.save_every and trainer.step < trainer.recipe.steps:
                continue
            elapsed_s = time.monotonic() - started_s
            _checkpoint(trainer, output, pace)
            line = {
                "step": trainer.step,
                "loss": round(sum(losses) / len(losses), 5),
                "validation_loss": round(trainer.validate(validation), 5) if validation else None,
                "seconds": round(elapsed_s, 1),
            }
            losses.clear()
            with (output / LOG_FILE).open("a", encoding="utf-8") as log:
                log.write(json.dumps(line) + "\n")
            tqdm.write(json.dumps(line))
            if pace.minutes is not None and elapsed_s >= 60 * pace.minutes:
                break


def validation_batches(sampler: SegmentSampler, spec: ModelSpec) -> list[Batch]:
    """The first clips that were kept out of training, as they are, in the engine's windows."""
    clips = sampler.validation[: _VALIDATION_BATCHES * _VALIDATION_CLIPS]
    geometry = (spec.left_frames, spec.chunk_frames, right_frames(spec))
    return [
        batch_of(
            [sampler.plain(clip) for clip in clips[first : first + _VALIDATION_CLIPS]],
            spec,
            *geometry,
        )
        for first in range(0, len(clips), _VALIDATION_CLIPS)
    ]


def _checkpoint(trainer: Trainer, output: Path, pace: Pace) -> None:
    trainer.save(output / CHECKPOINT_FILE)
    if trainer.step % pace.keep_every == 0:
        shutil.copyfile(output / CHECKPOINT_FILE, output / f"step-{trainer.step:06}.pt")
