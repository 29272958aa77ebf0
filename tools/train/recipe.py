"""What decides the weights, beside the data: the settings of a training run, checked once."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace


class RecipeError(ValueError):
    """Settings that cannot be trained with; the message is one line."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """One training run. Rates are peak learning rates; a step is one batch of segments."""

    steps: int = 10_000
    batch: int = 48
    seed: int = 1
    encoder_rate: float = 2e-4
    head_rate: float = 1e-3
    warm_up_steps: int = 200
    head_warm_up_steps: int = 20
    whole_steps: int = 1_000
    decay_share: float = 0.4
    average: float = 0.99
    weight_decay: float = 0.01
    clip_norm: float = 5.0
    frozen_layers: int = 0
    worst_loss: float = 4.0

    def __post_init__(self) -> None:
        for name in ("steps", "batch", "warm_up_steps", "head_warm_up_steps"):
            if getattr(self, name) < 1:
                raise RecipeError(f"{name} must be at least 1, not {getattr(self, name)}")
        for name in ("encoder_rate", "head_rate", "clip_norm", "worst_loss"):
            if not getattr(self, name) > 0:
                raise RecipeError(f"{name} must be more than 0, not {getattr(self, name)}")
        for name in ("decay_share", "average"):
            if not 0 <= getattr(self, name) < 1:
                raise RecipeError(f"{name} must be from 0 to below 1, not {getattr(self, name)}")
        if self.whole_steps < 0:
            raise RecipeError(f"whole_steps must be at least 0, not {self.whole_steps}")
        if not 0 <= self.frozen_layers <= 6:
            raise RecipeError(f"frozen_layers must be from 0 to 6, not {self.frozen_layers}")

    def rate_factor(self, step: int, warm_up_steps: int) -> float:
        """What the peak rates are multiplied with: warm-up, plateau, cosine to zero.

        The plateau lets a run be extended or cut short by resuming it with other ``steps`` before
        the last ``decay_share`` of them has begun (Hu et al., MiniCPM, 2024).
        """
        warm = min(1.0, (step + 1) / warm_up_steps)
        decay_from = self.steps * (1 - self.decay_share)
        if step < decay_from:
            return warm
        gone = (step - decay_from) / (self.steps - decay_from)
        return warm * 0.5 * (1 + math.cos(math.pi * min(1.0, gone)))

    def check_resumes(self, earlier: Recipe) -> None:
        """Raises RecipeError unless only ``steps`` differs from the run that is resumed."""
        if replace(self, steps=earlier.steps) != earlier:
            changed = [
                f.name
                for f in fields(self)
                if f.name != "steps" and getattr(self, f.name) != getattr(earlier, f.name)
            ]
            raise RecipeError(
                f"the run to resume had other settings ({', '.join(changed)}): give the same, "
                "or another output directory"
            )
