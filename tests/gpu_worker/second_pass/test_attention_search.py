"""The search over decoders whose best texts can be worked out by listing them all."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import pytest
import torch

from gpu_worker.second_pass.attention_search import BLOCK, Tokens, largest, search

START, END = 0, 1
LETTERS = (2, 3, 4)
VOCABULARY = 5

Texts = list[tuple[Tokens, float]]


class Rows:
    """What each row has said so far."""

    def __init__(self, seeds: list[int]) -> None:
        self.seeds = seeds
        self.texts: list[Tokens] = [() for _ in seeds]

    def follow(self, parents: torch.Tensor) -> None:
        chosen = parents.tolist()
        assert [self.seeds[parent] for parent in chosen] == self.seeds, "another utterance's row"
        self.texts = [self.texts[parent] for parent in chosen]


class Oracle:
    """Logits that depend on the utterance and on all tokens so far, and on nothing else.

    An utterance is (1, 1): its seed. ``ends_at`` makes it end after so many letters for sure;
    ``never`` is a token without a chance.
    """

    def __init__(self, ends_at: int = 4, never: int | None = None) -> None:
        self._ends_at = ends_at
        self._never = never

    def begin(self, utterances: Sequence[torch.Tensor], width: int) -> Rows:
        return Rows([int(one[0, 0]) for one in utterances for _ in range(width)])

    def __call__(self, tokens: torch.Tensor, state: Rows) -> torch.Tensor:
        state.texts = [(*t, int(n)) for t, n in zip(state.texts, tokens.tolist(), strict=True)]
        said = zip(state.seeds, state.texts, strict=True)
        logits = torch.stack([self.logits(seed, text[1:]) for seed, text in said])
        return logits.log_softmax(-1)

    def logits(self, seed: int, text: Tokens) -> torch.Tensor:
        random = torch.Generator().manual_seed(hash((seed, text)) % 2**31)
        logits = 2 * torch.randn(VOCABULARY, generator=random)
        logits[START] = -torch.inf
        if len(text) >= self._ends_at:
            logits[list(LETTERS)] = -torch.inf
        if self._never is not None:
            logits[self._never] = -torch.inf
        return logits

    def every_text(self, seed: int) -> Texts:
        """All texts and what each is worth, best first."""
        worth: Texts = []
        for length in range(self._ends_at + 1):
            for text in itertools.product(LETTERS, repeat=length):
                total = 0.0
                for place, token in enumerate((*text, END)):
                    logits = self.logits(seed, text[:place])
                    total += float(torch.log_softmax(logits, -1)[token])
                worth.append((text, total))
        return sorted(worth, key=lambda one: -one[1])


def heard(
    *seeds: int,
    width: int,
    oracle: Oracle | None = None,
    max_tokens: int = 20,
) -> list[Texts]:
    return search(
        oracle or Oracle(),
        [torch.tensor([[float(seed)]]) for seed in seeds],
        width=width,
        max_tokens=[max_tokens] * len(seeds),
        start=START,
        end=END,
    )


@pytest.mark.parametrize("seed", range(20))
def test_a_beam_wide_enough_finds_the_best_texts(seed: int) -> None:
    width = 40
    (found,) = heard(seed, width=width)
    expected = Oracle().every_text(seed)[:5]
    assert [text for text, _ in found[:5]] == [text for text, _ in expected]
    assert [score for _, score in found[:5]] == pytest.approx([score for _, score in expected])


def test_scores_are_those_of_their_texts_and_fall() -> None:
    worth = dict(Oracle().every_text(7))
    (found,) = heard(7, width=4)
    assert len(found) == 4
    assert [score for _, score in found] == pytest.approx([worth[text] for text, _ in found])
    assert found == sorted(found, key=lambda one: -one[1])


@pytest.mark.parametrize("seed", range(20))
def test_a_beam_of_one_goes_the_likeliest_way(seed: int) -> None:
    text: Tokens = ()
    while (token := int(Oracle().logits(seed, text).argmax())) != END:
        text = (*text, token)
    assert [found for found, _ in heard(seed, width=1)[0]] == [text]


def test_company_changes_nothing() -> None:
    alone = [heard(seed, width=3)[0] for seed in range(6)]
    together = heard(*range(6), width=3)
    for one, other in zip(alone, together, strict=True):
        assert [text for text, _ in one] == [text for text, _ in other]
        assert [score for _, score in one] == pytest.approx([score for _, score in other])


def test_what_has_no_chance_is_not_said() -> None:
    oracle = Oracle(never=LETTERS[1])
    for seed in range(5):
        (found,) = heard(seed, width=30, oracle=oracle)
        assert not [text for text, _ in found if LETTERS[1] in text]
        best, worth = oracle.every_text(seed)[0]
        assert found[0] == (best, pytest.approx(worth))


def test_a_text_that_never_ends_is_cut_off() -> None:
    (found,) = heard(3, width=2, oracle=Oracle(ends_at=100, never=END), max_tokens=7)
    assert [len(text) for text, _ in found] == [7, 7]
    assert all(math.isfinite(score) for _, score in found)


@pytest.mark.parametrize("length", [BLOCK - 1, BLOCK * 3, BLOCK * 40, BLOCK * 40 + 1])
@pytest.mark.parametrize("count", [1, 2, 10])
def test_the_largest_are_those_of_a_full_sort(length: int, count: int) -> None:
    random = torch.Generator().manual_seed(length)
    values = torch.randn(3, length, generator=random)
    values[1, : length // 2] = -torch.inf
    values[2, 5 : 5 + count] = 100.0 + torch.arange(count)  # all in one block
    best, places = largest(values, count)
    expected = values.sort(-1, descending=True)
    assert torch.equal(best, expected.values[:, :count])
    assert torch.equal(places, expected.indices[:, :count])


def test_who_waits_is_called_at_every_step() -> None:
    calls: list[None] = []
    (found,) = search(
        Oracle(),
        [torch.zeros(1, 1)],
        width=1,
        max_tokens=[20],
        start=START,
        end=END,
        while_waiting=lambda: calls.append(None),
    )
    assert len(calls) == len(found[0][0]) + 1
