from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from models import BUNDLED_MODEL
from tests.tools.lm.sums import assert_sums_to_one
from tools.lm.ngrams import NgramModel, model_of
from tools.lm.normalising import normalise
from tools.lm.pruning import packed_bytes, prune_to

DATA = Path(__file__).parent / "data"
COUNT = 12


@pytest.fixture
def model() -> NgramModel:
    """All pairs and triples of twelve words, by chance more or less probable."""
    chance = np.random.default_rng(7)
    words = ["<unk>", "<s>", "</s>", *(f"w{index}" for index in range(COUNT - 3))]
    entries = []
    for n in (1, 2, 3):
        grams = np.stack(np.unravel_index(np.arange(COUNT**n), (COUNT,) * n), axis=1)
        shares = chance.gamma(0.3, size=(COUNT ** (n - 1), COUNT)) + 1e-6
        shares *= (0.9 if n > 1 else 1.0) / shares.sum(axis=1, keepdims=True)
        kept = chance.random(COUNT**n) < (1.0, 0.7, 0.4)[n - 1]
        log10 = np.log10(shares.ravel())
        entries.append((grams[kept].astype(np.int32), log10[kept], np.zeros(int(kept.sum()))))
    pairs = {tuple(gram) for gram in entries[1][0].tolist()}
    closed = np.array([tuple(gram[:2]) in pairs for gram in entries[2][0].tolist()])
    entries[2] = tuple(column[closed] for column in entries[2])  # type: ignore[assignment]
    model, orphan = model_of(words, entries)
    assert orphan is None
    normalise(model)
    return model


def divergence(model: NgramModel, other: NgramModel) -> float:
    """Mean log10 ratio over all contexts of two words."""
    grams = np.stack(np.unravel_index(np.arange(COUNT**3), (COUNT,) * 3), axis=1).astype(np.int32)
    ours = model.log10_of(grams)
    return float((10.0**ours * (ours - other.log10_of(grams))).sum() / COUNT**2)


def test_what_fits_is_left_alone(model: NgramModel) -> None:
    assert prune_to(model, 10**6) is model


@pytest.mark.parametrize("share", [0.9, 0.6, 0.3])
def test_a_pruned_model_fits_and_is_still_a_model(model: NgramModel, share: float) -> None:
    words = packed_bytes(model.words, [COUNT, 0, 0])
    size = words + int((packed_bytes(model.words, model.counts) - words) * share)
    pruned = prune_to(model, size)
    assert packed_bytes(pruned.words, pruned.counts) <= size
    assert pruned.counts[0] == COUNT
    assert sum(pruned.counts) > COUNT
    assert_sums_to_one(pruned)


def test_an_ngram_s_beginning_and_end_stay_with_it(model: NgramModel) -> None:
    pruned = prune_to(model, packed_bytes(model.words, [COUNT, 60, 60]))
    longest = pruned.grams(3)
    ends = longest[:, 1:]
    listed_before = model.rows_of(ends) >= 0
    assert len(longest)
    assert (pruned.rows_of(longest[:, :2]) >= 0).all()
    assert (pruned.rows_of(ends[listed_before]) >= 0).all()


def test_what_is_pruned_matters_less_than_chance_would_have_it(model: NgramModel) -> None:
    pruned = prune_to(model, packed_bytes(model.words, [COUNT, 90, 120]))
    chance = np.random.default_rng(3)
    entries = []
    for n in (1, 2, 3):
        keep = np.ones(COUNT, bool)
        if n > 1:
            keep = np.zeros(len(model.levels[n - 1]), bool)
            keep[chance.permutation(len(keep))[: pruned.counts[n - 1]]] = True
        level = model.levels[n - 1]
        entries.append((model.grams(n)[keep], level.log10[keep], level.backoff[keep]))
    pairs = {tuple(gram) for gram in entries[1][0].tolist()}
    closed = np.array([tuple(gram[:2]) in pairs for gram in entries[2][0].tolist()], bool)
    entries[2] = tuple(column[closed] for column in entries[2])  # type: ignore[assignment]
    by_chance, _ = model_of(model.words, entries)
    normalise(by_chance)
    assert divergence(model, pruned) < 0.5 * divergence(model, by_chance)


def test_the_size_is_what_build_binary_makes() -> None:
    words = ["<unk>", *(BUNDLED_MODEL / "words.txt").read_text("utf-8").split(), "<s>", "</s>"]
    size = (DATA / "quantised_compressed.bin").stat().st_size
    farm = ["<unk>", "<s>", "</s>", "the", "cow", "can't", "fly"]
    tables = 3 * 256 * 4  # which packed_bytes leaves out, with the header
    assert packed_bytes(farm, [7, 6, 2]) == pytest.approx(size - tables, abs=400)
    assert packed_bytes(words, [len(words), 0, 0]) > len(words) * 24
