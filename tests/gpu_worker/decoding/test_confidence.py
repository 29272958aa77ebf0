from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest

from gpu_worker.decoding import LanguageModel, ScoredText
from gpu_worker.decoding.alignment import AlignedWord
from gpu_worker.decoding.confidence import (
    CONFIDENCE_FILE,
    N_BEST_SCALE,
    STAGES,
    UNCALIBRATED,
    Calibration,
    ConfidenceError,
    Evidence,
    evidence,
    language_log10s,
    overall,
    word_shares,
)
from models import BUNDLED_MODEL

WORD = Evidence(
    letters=4, frames=8, mean_log_prob=-0.5, min_log_prob=-1.0, language_log10=-2.0, share=0.5
)


def weights(stage: str, **chosen: float) -> dict[str, float]:
    return {**dict.fromkeys(STAGES[stage], 0.0), **chosen}


def texts(*scored: tuple[str, float]) -> list[ScoredText]:
    return [ScoredText(text, total, 0.0) for text, total in scored]


def test_shares_of_the_n_best_texts() -> None:
    double = math.log(2) / N_BEST_SCALE  # one text weighs twice as much as the other
    n_best = texts(("the cat sat", -10.0), ("a cat sat down", -10.0 - double))
    assert word_shares(["the", "cat", "sat"], n_best) == pytest.approx([2 / 3, 1.0, 1.0])
    assert word_shares(["a", "dog", "sat"], n_best) == pytest.approx([1 / 3, 0.0, 1.0])
    assert word_shares([], n_best) == []
    assert word_shares(["cat"], []) == [0.0]


def test_a_word_at_another_place_does_not_count() -> None:
    assert word_shares(["sat", "the"], texts(("the sat", 0.0))).count(1.0) == 1


def test_evidence_of_any_text(arpa: Path) -> None:
    model = LanguageModel.load(arpa, 0.5, 1.5)
    aligned = [AlignedWord("cat", 3, 9, -0.2, -0.4), AlignedWord("sat", 10, 14, -0.3, -0.6)]
    first, second = evidence(aligned, model, texts(("cat", -1.0)))
    assert first == Evidence(3, 6, -0.2, -0.4, pytest.approx(-0.2), pytest.approx(1.0))
    assert second == Evidence(3, 4, -0.3, -0.6, pytest.approx(-0.3), 0.0)
    assert evidence(aligned, None, [])[0].language_log10 is None


def test_words_without_a_language_model() -> None:
    assert language_log10s(["a", "b"], None) == [None, None]


def test_without_weights_it_is_the_geometric_mean() -> None:
    assert UNCALIBRATED.confidence(WORD) == math.exp(-0.5)


def test_the_logistic_function_of_the_features() -> None:
    chosen = weights(
        "second_pass",
        bias=0.1,
        mean_log_prob=1.0,
        min_log_prob=0.3,
        log_letters=0.2,
        frames_per_letter=0.5,
        language_log10=0.4,
        share_logit=2.0,
        attention_log_prob=0.7,
    )
    word = replace(WORD, share=0.75, attention_log_prob=-0.1)
    logit = 0.1 - 0.5 - 0.3 + 0.2 * math.log(4) + 1.0 - 0.8 + 2 * math.log(3) - 0.07
    confidence = Calibration({"second_pass": chosen}).confidence(word)
    assert confidence == pytest.approx(1 / (1 + math.exp(-logit)))


def test_the_weights_for_all_that_is_known() -> None:
    calibration = Calibration(
        {"search": weights("search", bias=-1.0), "n_best": weights("n_best", bias=1.0)}
    )
    low, high = 1 / (1 + math.e), math.e / (1 + math.e)
    assert calibration.confidence(replace(WORD, share=None)) == pytest.approx(low)
    assert calibration.confidence(WORD) == pytest.approx(high)
    assert calibration.confidence(replace(WORD, attention_log_prob=-1.0)) == pytest.approx(high)
    assert calibration.confidence(replace(WORD, language_log10=None)) == math.exp(-0.5)


@pytest.mark.parametrize("share", [0.0, 1.0])
@pytest.mark.parametrize("log_prob", [0.0, -1e9])
def test_confidences_are_never_beyond_0_and_1(share: float, log_prob: float) -> None:
    steep = Calibration({"n_best": dict.fromkeys(STAGES["n_best"], 1e6)})
    word = Evidence(0, 0, log_prob, log_prob, log_prob, share)
    assert 0 <= steep.confidence(word) <= 1
    assert 0 <= UNCALIBRATED.confidence(word) <= 1


def test_a_hypothesis_is_as_sure_as_its_words_on_average() -> None:
    assert overall([0.5, 1.0]) == 0.75
    assert overall([]) == 0.0


def test_weights_come_with_the_model(tmp_path: Path) -> None:
    assert Calibration.load(tmp_path) == UNCALIBRATED
    stages = {"search": weights("search", bias=0.5)}
    (tmp_path / CONFIDENCE_FILE).write_text(json.dumps(stages))
    assert Calibration.load(tmp_path) == Calibration(stages)


def test_the_bundled_model_has_weights() -> None:
    assert {"search", "n_best"} <= set(Calibration.load(BUNDLED_MODEL).stages)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "cannot be read as JSON"),
        ("[]", "must be an object with some of: search, n_best, second_pass"),
        ('{"first": {}}', "must be an object with some of"),
        ('{"search": {"bias": 1}}', "'search' must have a finite number for each of: bias, mean"),
        (json.dumps({"search": weights("search", bias=math.inf)}), "finite number"),
        (json.dumps({"search": {**weights("search"), "bias": "1"}}), "finite number"),
    ],
)
def test_bad_files_are_named(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / CONFIDENCE_FILE).write_text(content)
    with pytest.raises(ConfidenceError, match=message):
        Calibration.load(tmp_path)
