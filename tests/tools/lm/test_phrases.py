from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.tools.lm.sums import assert_sums_to_one
from tests.tools.lm.tiny import FARM, write
from tools.lm.arpa import load_arpa
from tools.lm.errors import LmError
from tools.lm.mixing import mix
from tools.lm.ngrams import NgramModel
from tools.lm.phrases import GOES_ON, MAX_WEIGHT, phrase_model, phrase_weight, read_phrases


def log10(model: NgramModel, text: str) -> float:
    ids = [model.ids.get(word, model.ids["<unk>"]) for word in text.split()]
    return float(model.log10_of(np.array([ids], np.int32))[0])


def test_phrases_are_read_in_spoken_form(tmp_path: Path) -> None:
    path = write(tmp_path, "Kubernetes\n\nVitamin B12\n", "phrases.txt")
    assert read_phrases(path) == ["kubernetes", "vitamin b twelve"]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("good\nこんにちは\n", "line 2: 'こんにちは' holds no word of the letters"),
        ("\n", "no phrases"),
    ],
)
def test_what_cannot_be_said_is_refused(tmp_path: Path, content: str, reason: str) -> None:
    with pytest.raises(LmError, match=reason):
        read_phrases(write(tmp_path, content, "phrases.txt"))


@pytest.mark.parametrize("order", [2, 3, 4])
def test_phrases_begin_anywhere_and_go_on_as_written(order: int) -> None:
    model = phrase_model(["new york city", "new deal"], order)
    assert model.order == order
    assert 10 ** log10(model, "new york") == pytest.approx(GOES_ON / 2)
    assert 10 ** log10(model, "york city") == pytest.approx(GOES_ON)
    assert log10(model, "deal new") == log10(model, "city new") == log10(model, "new")
    assert_sums_to_one(model)


def test_a_phrase_that_is_there_twice_counts_twice() -> None:
    model = phrase_model(["acme", "acme", "initech"], 2)
    assert 10 ** log10(model, "acme") == pytest.approx(2 * 10 ** log10(model, "initech"))


def test_a_few_phrases_are_weighted_by_their_number_many_are_bounded() -> None:
    assert phrase_weight(20, 1e-3) == pytest.approx(0.02)
    assert phrase_weight(10_000, 1e-3) == MAX_WEIGHT


def test_in_a_mixture_a_phrase_is_expected_once_it_has_begun(tmp_path: Path) -> None:
    base = load_arpa(write(tmp_path, FARM))
    mixture = mix([base, phrase_model(["quilter's tractor"], 3)], [0.999, 0.001])
    assert log10(mixture, "the quilter's") > -5  # it was unknown before
    assert 10 ** log10(mixture, "quilter's tractor") == pytest.approx(GOES_ON, abs=0.01)
    assert log10(mixture, "the cow") == pytest.approx(log10(base, "the cow"), abs=0.01)
