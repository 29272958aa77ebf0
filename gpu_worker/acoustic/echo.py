"""A model without a network: each frame of audio names a token, and that token is what was said.

A frame whose middle sample is k (1 <= k < vocabulary) emits token k with near certainty; any other
emits the blank. It lets everything around the model be tested exactly and fast.
"""

from __future__ import annotations

from typing import Final

import torch
import torch.nn.functional as F  # noqa: N812 - the field's name for it

from models.spec import ModelSpec

_CERTAIN: Final = 20.0
"""The logit of the named token over the others: log-probability about -6e-8 against -20."""


class Echo:
    """See the module; has no parameters and no state."""

    def __init__(self, spec: ModelSpec) -> None:
        self._shape = (spec.chunk_frames, spec.frame_samples)
        self._tokens = len(spec.vocabulary)
        self._blank = spec.blank

    def step(
        self,
        pcm: torch.Tensor,
        span: torch.Tensor,  # noqa: ARG002 - samples outside are zeros, which emit blanks
        rows: torch.Tensor,  # noqa: ARG002
        first: torch.Tensor,  # noqa: ARG002
    ) -> torch.Tensor:
        """See `AcousticModel.step`."""
        chunk_frames, frame_samples = self._shape
        middle = pcm.view(-1, chunk_frames, frame_samples)[:, :, frame_samples // 2].long()
        token = torch.where((middle > 0) & (middle < self._tokens), middle, self._blank)
        return (F.one_hot(token, self._tokens) * _CERTAIN).float().log_softmax(-1)


def echo_samples(tokens: list[int], frame_samples: int) -> torch.Tensor:
    """Audio that makes `Echo` emit ``tokens``, one per frame: (len(tokens) * frame_samples,)."""
    return torch.tensor(tokens, dtype=torch.int16).repeat_interleave(frame_samples)
