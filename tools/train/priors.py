"""Stage 4: taking out of a network what it says before it has heard anything.

CTC's posteriors hold how often each token is emitted in training, blank most of all; where the
sound is unclear, that decides, and words are lost. The language model says once more how likely a
word is. So posteriors are divided by a power of their mean over speech, as hybrid recognisers
divide theirs by the priors of their states (Bourlard and Morgan, 1994; for CTC: Miao, Gowayyed and
Metze, "EESEN", 2015). Behind a softmax, that is another bias of the head: the engine need not know.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from tqdm import tqdm

from gpu_worker.acoustic.contract import AcousticModel
from models.spec import ModelSpec
from tools.train.evaluate import segment_log_probs
from tools.train.recipe import RecipeError

LEAST_PRIOR: Final = 1e-5
"""A token that is never emitted would be divided by nothing."""
BIAS: Final = "head.bias"


def label_priors(
    spec: ModelSpec,
    model: AcousticModel,
    device: torch.device,
    segments: Iterable[NDArray[np.int16]],
) -> NDArray[np.float64]:
    """(vocabulary,): the mean probability of each token over all frames of the segments."""
    total = np.zeros(len(spec.vocabulary))
    frames = 0
    for samples in tqdm(segments, desc="priors"):
        log_probs = segment_log_probs(spec, model, device, samples)
        total += np.exp(log_probs, dtype=np.float64).sum(axis=0)
        frames += len(log_probs)
    if not frames:
        raise RecipeError("label priors need speech: there is not one frame in these clips")
    priors: NDArray[np.float64] = total / frames
    return priors


def without_priors(
    state: dict[str, Any], priors: NDArray[np.float64], weight: float
) -> dict[str, Any]:
    """A checkpoint whose average gives posteriors divided by ``priors`` to the power ``weight``.

    Raises:
        RecipeError: it has been done to this checkpoint before.
    """
    if "label_priors" in state["about"]:
        raise RecipeError("the priors of this checkpoint were taken out before: give its original")
    log_priors = np.log(np.maximum(priors, LEAST_PRIOR))
    bias = state["average"][BIAS] - weight * torch.from_numpy(log_priors)
    average = {**state["average"], BIAS: bias.to(state["average"][BIAS].dtype)}
    about = {"weight": weight, "log": [round(float(value), 4) for value in log_priors]}
    return {**state, "average": average, "about": {**state["about"], "label_priors": about}}
