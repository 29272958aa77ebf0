"""Stage 2, the step: a model, its average and its optimiser, and what they are resumed from.

The loss is CTC's (Graves et al., 2006) over a segment's chunks, each computed from its own window
and set side by side, per letter: the very log-probabilities that the engine decodes. Losses on
single windows let letters move past the seams of chunks, which loses words (docs/TRAINING.md). The
network runs in bfloat16, loss and optimiser in float32. What is kept in the end is the
average: an exponential moving average of the weights over the steps (Polyak and Juditsky, 1992).
"""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import torch
import torch.nn.functional as F  # noqa: N812 - the field's name for it

from gpu_worker.acoustic.moonshine_ctc import MoonshineCtc
from tools.train.batches import Lesson
from tools.train.recipe import Recipe, RecipeError

BETAS: Final = (0.9, 0.98)


@dataclass(frozen=True, slots=True)
class Progress:
    """One step: its number, its loss in nats per letter, the gradient's norm before clipping."""

    step: int
    loss: float
    gradient_norm: float


class Trainer:
    """Advances one model. ``about`` is kept in checkpoints: where data and weights came from."""

    def __init__(
        self,
        model: MoonshineCtc,
        recipe: Recipe,
        device: torch.device,
        about: dict[str, Any],
        *,
        bfloat16: bool = True,
    ) -> None:
        self.model = model.to(device).train()
        self.recipe = recipe
        self.about = about
        self.step = 0
        self._device = device
        self._bfloat16 = bfloat16
        freeze(model, recipe.frozen_layers)
        self._optimiser = torch.optim.AdamW(_groups(model, recipe), betas=BETAS)
        self.average = {name: value.clone() for name, value in model.state_dict().items()}

    def advance(self, batch: Lesson) -> Progress:
        """One step on batch number ``step``."""
        for group in self._optimiser.param_groups:
            factor = self.recipe.rate_factor(self.step, group["warm_up_steps"])
            group["lr"] = group["peak_lr"] * factor
        worst = self.recipe.worst_loss if self.step >= self.recipe.whole_steps else math.inf
        loss = self._loss(batch.to(self._device), worst)
        torch.autograd.backward(loss)
        norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.recipe.clip_norm)
        self._optimiser.step()
        self._optimiser.zero_grad(set_to_none=True)
        self.step += 1
        self._follow()
        return Progress(self.step, float(loss.detach()), float(norm))

    def validate(self, batches: Sequence[Lesson]) -> float:
        """The average's mean loss on these."""
        own = {name: value.clone() for name, value in self.model.state_dict().items()}
        self.model.load_state_dict(self.average)
        with torch.no_grad():
            losses = [float(self._loss(batch.to(self._device), math.inf)) for batch in batches]
        self.model.load_state_dict(own)
        return sum(losses) / len(losses)

    def save(self, path: Path) -> None:
        """Writes a checkpoint, whole or not at all."""
        state = {
            "step": self.step,
            "recipe": asdict(self.recipe),
            "about": self.about,
            "model": self.model.state_dict(),
            "average": self.average,
            "optimiser": self._optimiser.state_dict(),
        }
        save_checkpoint(state, path)

    def resume(self, path: Path) -> None:
        """Goes on where the checkpoint was written, on any device.

        Raises:
            RecipeError: the checkpoint was made with another recipe or other data.
        """
        state = load_checkpoint(path)
        self.recipe.check_resumes(Recipe(**state["recipe"]))
        if state["about"].get("data") != self.about.get("data"):
            raise RecipeError(f"{path} was trained on other data: use another output folder")
        self.model.load_state_dict(state["model"])
        self._optimiser.load_state_dict(state["optimiser"])
        self.average = {name: t.to(self._device) for name, t in state["average"].items()}
        self.step = state["step"]
        self.about = {**self.about, "runs": state["about"].get("runs", []) + self.about["runs"]}

    def _loss(self, batch: Lesson, worst: float) -> torch.Tensor:
        """CTC of each segment's chunks, set side by side as the engine sets them.

        Segments with a loss above ``worst`` nats a letter are left out.
        """
        with torch.autocast(self._device.type, torch.bfloat16, enabled=self._bfloat16):
            log_probs = batch.log_probs(self.model)
        losses = F.ctc_loss(
            log_probs,
            batch.tokens,
            batch.frames,
            batch.lengths,
            reduction="none",
            zero_infinity=True,
        )
        believed = losses <= worst * batch.lengths
        return losses[believed].sum() / batch.lengths[believed].sum().clamp(min=1)

    @torch.no_grad()
    def _follow(self) -> None:
        """Moves the average; quickly in the first steps, so that it forgets where it began."""
        keep = min(self.recipe.average, (1 + self.step) / (10 + self.step))
        for name, value in self.model.state_dict().items():
            self.average[name].lerp_(value, 1 - keep)


def freeze(model: MoonshineCtc, layers: int) -> None:
    """Leaves so many lower layers of the encoder as they are, with the convolutions; 0: nothing.

    No gradient passes through them, which saves their backward pass. All layers: the whole encoder.
    """
    if not layers:
        return
    encoder = model.encoder
    below = [encoder.conv1, encoder.groupnorm, encoder.conv2, encoder.conv3]
    frozen = [*below, *encoder.layers[:layers]]
    for part in [encoder] if layers == len(encoder.layers) else frozen:
        part.requires_grad_(False)


def save_checkpoint(state: dict[str, Any], path: Path) -> None:
    """Writes a checkpoint, whole or not at all."""
    part = path.with_suffix(".part")
    torch.save(state, part)
    os.replace(part, path)


def load_checkpoint(path: Path) -> dict[str, Any]:
    """A checkpoint's contents, on the CPU.

    Raises:
        RecipeError: the file is not one.
    """
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise RecipeError(f"{path} is not a checkpoint of this recipe: {error!s:.200}") from error
    return state


def _groups(model: MoonshineCtc, recipe: Recipe) -> list[dict[str, Any]]:
    """Parameter groups: two rates, and no weight decay on biases and norms."""
    groups = []
    for part, rate, warm_up_steps in (
        (model.encoder, recipe.encoder_rate, recipe.warm_up_steps),
        (model.head, recipe.head_rate, recipe.head_warm_up_steps),
    ):
        own = [p for p in part.parameters() if p.requires_grad]
        for is_matrix, decay in ((True, recipe.weight_decay), (False, 0.0)):
            chosen = [p for p in own if (p.dim() > 1) == is_matrix]
            if chosen:
                groups.append(
                    {
                        "params": chosen,
                        "peak_lr": rate,
                        "warm_up_steps": warm_up_steps,
                        "weight_decay": decay,
                    }
                )
    return groups
