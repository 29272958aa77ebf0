from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from gpu_worker.second_pass.choice import (
    CTC_WEIGHT,
    DOUBT_SHARE,
    LANGUAGE_WEIGHT,
    WORD_BONUS,
    Support,
    choose,
    missed_nats_per_s,
    supported,
)
from shm.heard import Heard

SUPPORT = Support(least=14.0, sure=6.0)


class Said:
    """`Scores` for an utterance of known words: each that is there lifts CTC, any other costs.

    Nothing of ``words`` heard at all costs ``silence_costs`` for each of them.
    """

    def __init__(
        self,
        words: str,
        language: Mapping[str, float] | None = None,
        *,
        costs: float = 30.0,
        silence_costs: float = 20.0,
    ) -> None:
        self._words = words.split()
        self._language = language or {}
        self._costs = costs
        self._silence_costs = silence_costs

    def prefixes(self, text: str) -> NDArray[np.float64]:
        found = [-self._silence_costs * len(self._words)]
        for place, word in enumerate(text.split()):
            fits = self._words[place : place + 1] == [word]
            found.append(found[-1] + (self._silence_costs if fits else -self._costs))
        return np.array(found)

    def wholes(self, texts: Sequence[str]) -> NDArray[np.float64]:
        return np.array([self.prefixes(text)[-1] for text in texts])

    def language(self, text: str) -> float:
        return self._language.get(text, 0.0)


class Indifferent:
    """`Scores` that only knows a language model; every word is as well supported as the next."""

    def __init__(self, **language: float) -> None:
        self._language = language

    def prefixes(self, text: str) -> NDArray[np.float64]:
        return 2 * SUPPORT.least * np.arange(len(text.split()) + 1)

    def language(self, text: str) -> float:
        return self._language.get(text.replace(" ", "_"), 0.0)


def test_what_runs_on_is_cut_where_ctc_supports_no_more() -> None:
    heard = [Heard("come in and then and then and then", -2.0)]
    assert choose(heard, "comin", Said("come in"), SUPPORT) == "come in"


def test_what_ctc_merely_doubts_is_not_cut() -> None:
    """The last word has lost a tenth of the others' support, or a little more."""
    support = np.array([0.0, 20.0, 50.0, 50.0 * (1 - DOUBT_SHARE)]) - 70.0
    assert supported(support, -9.0, SUPPORT) == 3
    assert supported(support - [0.0, 0.0, 0.0, 0.1], -9.0, SUPPORT) == 2
    assert supported(np.append(support, support[2]), -9.0, SUPPORT) == 4


def test_what_ctc_hardly_prefers_to_silence_was_not_said() -> None:
    """As with babble, of which an attention model makes up whole sentences."""
    support = SUPPORT.least * np.arange(5)
    assert supported(support - 70.0, -9.0, SUPPORT) == 4
    assert supported(support * 0.99 - 70.0, -9.0, SUPPORT) == 0


def test_what_attention_is_sure_of_needs_less_support() -> None:
    """As a word that is said alone: CTC hears "to" for "two"."""
    enough = np.array([-20.0, -20.0 + SUPPORT.sure + 0.5])
    assert supported(enough, -0.4, SUPPORT) == 1
    assert supported(enough, -0.6, SUPPORT) == 0


def test_a_text_that_cannot_have_been_said_is_nothing() -> None:
    assert supported(np.full(3, -np.inf), -0.1, SUPPORT) == 0
    assert supported(np.array([-40.0, -np.inf, -np.inf]), -0.1, SUPPORT) == 0


def test_nothing_is_no_rival_of_what_is_supported() -> None:
    """It has no words that the language model could find unlikely."""
    heard = [Heard("fox trot", -2.4), Heard("talks rot", -3.0)]
    scores = Said("fox trot", {"fox trot": -60.0})
    assert choose(heard, "foxtrot", scores, SUPPORT) == "fox trot"


def test_what_is_supported_to_its_end_is_not_cut() -> None:
    assert choose([Heard("come in now", -2.0)], "", Said("come in now"), SUPPORT) == "come in now"


def test_a_supported_text_wins_over_a_likelier_one() -> None:
    heard = [Heard("comb in", -1.0), Heard("come in", -1.5)]
    assert choose(heard, "comin", Said("come in"), SUPPORT) == "come in"


def test_a_much_likelier_text_wins_over_weak_support() -> None:
    """CTC is a witness, not the judge: its word counts for `CTC_WEIGHT`."""
    heard = [Heard("a great deal", -1.0), Heard("a grade deal", -9.0)]
    scores = Said("a grade deal", costs=-8.0, silence_costs=10.0)
    assert choose(heard, "a grade deal", scores, SUPPORT) == "a great deal"


@pytest.mark.parametrize(("better", "worse"), [("a_b", "c_d"), ("c_d", "a_b")])
def test_the_language_model_breaks_ties(better: str, worse: str) -> None:
    heard = [Heard("a b", -1.0), Heard("c d", -1.0)]
    scores = Indifferent(**{better: -3.0, worse: -4.0})
    assert choose(heard, "x", scores, SUPPORT) == better.replace("_", " ")


def test_between_equals_the_first_wins() -> None:
    heard = [Heard("a b", -1.0), Heard("c d", -1.0)]
    assert choose(heard, "x", Indifferent(), SUPPORT) == "a b"


def test_words_are_not_dropped_for_their_price() -> None:
    """A second word costs a little of every score; the bonus makes up for that."""
    heard = [Heard("a", -1.0), Heard("a b", -1.2)]
    assert WORD_BONUS > 0.2
    scores = Indifferent(a=-2.0, a_b=-2.0 - (WORD_BONUS - 0.2) / LANGUAGE_WEIGHT)
    assert choose(heard, "x", scores, SUPPORT) == "a b"


def test_nothing_heard_leaves_the_first_pass() -> None:
    assert choose([], "what it was", Said("what it was"), SUPPORT) == "what it was"


def test_what_nothing_supports_is_empty() -> None:
    """An attention model invents text on noise."""
    heard = [Heard("thank you for watching", -3.0), Heard("you", -4.0)]
    assert choose(heard, "er", Said(""), SUPPORT) == ""


# -- what stops early


def test_a_text_that_stops_early_misses_speech() -> None:
    said = "the quick brown fox jumps over the lazy dog"
    scores = Said(said, silence_costs=20.0)
    assert missed_nats_per_s("the", said, scores, 4.0) == 8 * 20.0 / 4.0
    assert missed_nats_per_s("the quick", said, scores, 4.0) == 7 * 20.0 / 4.0
    assert missed_nats_per_s(said, "the", scores, 4.0) == 0.0


def test_a_few_words_less_are_no_missed_speech() -> None:
    scores = Said("the quick brown fox", silence_costs=20.0)
    assert missed_nats_per_s("the", "the quick brown fox", scores, 10) == 0.0
    assert missed_nats_per_s("", "the quick brown fox", scores, 10) == 8.0


# -- whatever is heard

WORDS = st.lists(st.sampled_from(["a", "b", "cat", "it's"]), max_size=6).map(" ".join)
HEARD = st.lists(st.builds(Heard, WORDS.filter(bool), st.floats(-60, 0)), max_size=5)


@given(heard=HEARD, first_pass=WORDS, said=WORDS)
def test_the_choice_is_the_beginning_of_what_somebody_heard(
    heard: list[Heard], first_pass: str, said: str
) -> None:
    found = choose(heard, first_pass, Said(said), SUPPORT).split()
    if heard:
        assert any(hypothesis.text.split()[: len(found)] == found for hypothesis in heard)
    else:
        assert found == first_pass.split()


@given(heard=HEARD, first_pass=WORDS, said=WORDS)
def test_the_choice_is_that_of_the_scores_alone(
    heard: list[Heard], first_pass: str, said: str
) -> None:
    """No other score of what was heard, cut where support ends, is higher than the chosen one's."""
    scores = Said(said)
    found = choose(heard, first_pass, scores, SUPPORT)
    rated: dict[str, float] = {}
    for hypothesis in heard:
        prefixes = scores.prefixes(hypothesis.text)
        kept = supported(prefixes, hypothesis.log_prob, SUPPORT)
        if kept == 0:
            continue  # no rival of those that are supported
        text = " ".join(hypothesis.text.split()[:kept])
        score = hypothesis.log_prob + CTC_WEIGHT * prefixes[kept] + WORD_BONUS * kept
        rated[text] = max(rated.get(text, -np.inf), score)
    if rated:
        assert rated[found] == max(rated.values())
    elif heard:
        assert found == ""
