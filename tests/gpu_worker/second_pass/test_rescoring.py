from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpu_worker.decoding import (
    Calibration,
    FrameHypothesis,
    FrameWord,
    LanguageModel,
    ScoredText,
)
from gpu_worker.second_pass.rescoring import Rescorer
from gpu_worker.second_pass.taught_words import TaughtWords
from shm.heard import Heard
from tests.gpu_worker.second_pass.asking import rescorer
from tests.gpu_worker.test_slot_decoder import log_probs_of
from tests.gpu_worker.tiny import TINY

FIRST = FrameHypothesis((FrameWord("ab", 0.25, 0, 2, True), FrameWord("cd", 0.75, 3, 5, True)), 0.5)
N_BEST = (ScoredText("ab cd", -1.0, 0.0), ScoredText("ab cb", -1.0, 0.0))


def rescored(frames: str, *texts: str, first_pass: FrameHypothesis = FIRST) -> FrameHypothesis:
    heard = [Heard(text, -1.0 - place) for place, text in enumerate(texts)]
    return rescorer().rescored(log_probs_of(frames), heard, first_pass, N_BEST)


def test_words_are_placed_where_they_were_said() -> None:
    found = rescored("_ab_____cc_b__", "ab cb")
    assert [(word.text, word.start_frame, word.end_frame) for word in found.words] == [
        ("ab", 0, 3),
        ("cb", 7, 12),
    ]
    assert all(word.stable for word in found.words)


def test_a_word_that_nobody_said_clearly_is_less_certain() -> None:
    found = rescored("ab cd", "ab cb")
    assert found.text == "ab cb"
    first, second = (word.confidence for word in found.words)
    assert 0 <= second < first <= 1
    assert found.confidence == pytest.approx((first + second) / 2)


def test_what_runs_on_is_cut() -> None:
    assert rescored("ab cd____", "ab cd ab cd ab").text == "ab cd"


@pytest.mark.parametrize(
    ("limits", "text"),
    [
        ({"least_support": 900.0, "sure_support": 0.0}, "ab cd"),
        ({"least_support": 900.0, "sure_support": 900.0}, ""),
        ({"least_support": 0.0, "sure_support": 0.0}, "ab cd"),
    ],
)
def test_how_much_support_a_text_needs_is_the_models_own(
    limits: dict[str, float], text: str
) -> None:
    own = Rescorer(replace(TINY, **limits), None, Calibration())
    heard = [Heard("ab cd", -0.1)]
    assert own.rescored(log_probs_of("ab cd"), heard, FIRST, N_BEST).text == text


@pytest.mark.parametrize(("limit", "text"), [(0.0, "a b c d a"), (1000.0, "a")])
def test_when_speech_was_missed_is_the_models_own(limit: float, text: str) -> None:
    """The second pass heard the first of five words."""
    own = Rescorer(replace(TINY, missed_nats_per_s=limit), None, Calibration())
    first_pass = FrameHypothesis(
        tuple(FrameWord(word, 0.5, 2 * n, 2 * n + 1, True) for n, word in enumerate("abcda")), 0.5
    )
    heard = [Heard("a", -0.1)]
    assert own.rescored(log_probs_of("a b c d a"), heard, first_pass, ()).text == text


def test_nothing_heard_is_the_first_pass_with_its_words_aligned_anew() -> None:
    found = rescored("_ab_____cd_")
    assert found.text == FIRST.text
    assert [word.start_frame for word in found.words] == [0, 7]


@pytest.mark.parametrize("texts", [("xyz",), ("ab xyz", "été")])
def test_what_cannot_be_spelled_takes_no_words_away(texts: tuple[str, ...]) -> None:
    """A second pass may write letters that the acoustic model does not know."""
    assert rescored("ab cd", *texts).text == "ab cd"
    assert rescored("ab cd", *texts, "ab cb").text == "ab cb"


def test_what_does_not_fit_into_the_time_is_not_said() -> None:
    assert rescored("ab", "abcd abcd abcd").text == ""
    first_pass = FrameHypothesis((FrameWord("abcdabcd", 0.5, 0, 2, True),), 0.5)
    assert rescored("ab", first_pass=first_pass) == first_pass


def test_no_frames_at_all() -> None:
    empty = FrameHypothesis((), 0.0)
    assert rescored("", "ab", first_pass=empty) == empty


@pytest.fixture
def arpa(tmp_path: Path) -> Path:
    """A language model that knows b well and c hardly."""
    path = tmp_path / "small.arpa"
    path.write_text(
        "\\data\\\nngram 1=5\nngram 2=1\n\n\\1-grams:\n-3.0\t<unk>\t0\n-99\t<s>\t0\n"
        "-1.0\t</s>\n-0.1\tb\t0\n-2.0\tc\t0\n\n\\2-grams:\n-0.1\tb </s>\n\n\\end\\\n",
        "utf-8",
    )
    return path


def test_the_language_model_decides_between_equals(arpa: Path) -> None:
    log_probs = np.logaddexp(log_probs_of("_b_"), log_probs_of("_c_"))
    heard = [Heard("c", -1.0), Heard("b", -1.0)]
    empty = FrameHypothesis((), 0.0)
    model = LanguageModel.load(arpa, 0.5, 1.5)
    with_it = Rescorer(TINY, model, Calibration())
    assert with_it.rescored(log_probs, heard, empty, N_BEST).text == "b"
    assert rescorer().rescored(log_probs, heard, empty, N_BEST).text == "c"


def test_a_taught_word_is_kept() -> None:
    taught = Rescorer(TINY, None, Calibration(), TaughtWords({"cd"}))
    log_probs = log_probs_of("ab cd")
    assert taught.rescored(log_probs, [Heard("ab cb", -1.0)], FIRST, N_BEST).text == "ab cd"
    assert rescored("ab cd", "ab cb").text == "ab cb"


def test_word_pieces_are_aligned_too() -> None:
    pieces = replace(TINY, vocabulary=("", "▁a", "b", "▁c"))
    log_probs = np.full((6, 4), -20.0, np.float32)
    log_probs[np.arange(6), [0, 1, 2, 0, 3, 0]] = 0.0
    found = Rescorer(pieces, None, Calibration()).rescored(
        log_probs, [Heard("ab c", -1.0)], FrameHypothesis((), 0.0), ()
    )
    assert [(word.text, word.end_frame) for word in found.words] == [("ab", 3), ("c", 5)]


TEXTS = st.lists(st.text("abcdx", min_size=1, max_size=4), max_size=5).map(" ".join)


@given(frames=st.text("abcd _", max_size=12), texts=st.lists(TEXTS.filter(bool), max_size=4))
def test_times_never_run_backwards_nor_past_the_end(frames: str, texts: list[str]) -> None:
    found = rescored(frames, *texts, first_pass=FrameHypothesis((), 0.0))
    assert found == rescored(frames, *texts, first_pass=FrameHypothesis((), 0.0))
    for word in found.words:
        assert 0 <= word.start_frame <= word.end_frame <= len(frames)
        assert 0.0 <= word.confidence <= 1.0
    for word, following in pairwise(found.words):
        assert word.end_frame <= following.start_frame
