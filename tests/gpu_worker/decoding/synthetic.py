"""Made-up vocabularies and log-probabilities: harder for a beam search than speech is."""

from __future__ import annotations

import string
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from gpu_worker.decoding import Vocabulary


def word_pieces(words: Sequence[str], size: int, seed: int) -> Vocabulary:
    """`size` pieces of the words, all letters, "▁" and "<unk>" among them, and the blank last."""
    rng = np.random.default_rng(seed)
    pieces = {"▁", "<unk>", *string.ascii_lowercase, *("▁" + c for c in string.ascii_lowercase)}
    while len(pieces) < size:
        word = words[rng.integers(len(words))]
        start = int(rng.integers(len(word)))
        piece = word[start : start + int(rng.integers(1, 6))]
        pieces.add(piece if start else "▁" + piece)
    return Vocabulary((*sorted(pieces), "<blank>"), blank=size)


def log_probs(vocabulary: Vocabulary, frames: int, seed: int) -> NDArray[np.float32]:
    """(frames, vocabulary): a few tokens contend in each frame, often exactly tied."""
    rng = np.random.default_rng(seed)
    width = len(vocabulary.tokens)
    logits = rng.normal(size=(frames, width)) * rng.choice([0.5, 1.0, 2.0])
    contenders = rng.integers(0, width, size=(frames, 5))
    logits[np.arange(frames)[:, None], contenders] += rng.uniform(0, 8, size=(frames, 5))
    logits[:, vocabulary.blank] += rng.choice([0.0, 5.0, 9.0], size=frames)
    if rng.random() < 0.5:
        logits = np.round(logits)
    return (logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)).astype(np.float32)
