from __future__ import annotations

import math
from pathlib import Path

import pytest
from tokenizers import Tokenizer, models

from gpu_worker.second_pass import SecondPassError
from gpu_worker.second_pass.hearing import hypotheses, load_tokenizer, unspoken_tokens

WORDS = ["<s>", "five", "5", "it's", "€", "naïve", "(cough)", "-", "[", "50%"]


def tokenizer() -> Tokenizer:
    return Tokenizer(models.WordLevel({word: number for number, word in enumerate(WORDS)}, "<s>"))


def test_texts_come_as_they_are_spoken() -> None:
    (heard,) = hypotheses([("Mr. Quilter, I presume?", -1.0)])
    assert (heard.text, heard.log_prob) == ("mister quilter i presume", -1.0)


def test_those_spoken_alike_become_one() -> None:
    heard = hypotheses([("No!", math.log(0.3)), ("Yes.", math.log(0.4)), ("no", math.log(0.2))])
    assert [hypothesis.text for hypothesis in heard] == ["no", "yes"]
    assert math.exp(heard[0].log_prob) == pytest.approx(0.5)
    assert math.exp(heard[1].log_prob) == pytest.approx(0.4)


def test_a_text_without_words_is_none() -> None:
    assert hypotheses([("...", -1.0), ("", -2.0)]) == ()
    assert hypotheses([]) == ()


def test_tokens_that_nobody_says() -> None:
    unspoken = {WORDS[number] for number in unspoken_tokens(tokenizer(), len(WORDS))}
    assert unspoken == {"<s>", "5", "€", "(cough)", "[", "50%"}


def test_only_the_first_tokens_are_looked_at() -> None:
    assert unspoken_tokens(tokenizer(), 3) == [0, 2]


def test_a_tokenizer_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(SecondPassError, match="take the model's own, from where it came"):
        load_tokenizer(tmp_path)
    tokenizer().save(str(tmp_path / "tokenizer.json"))
    assert load_tokenizer(tmp_path).token_to_id("five") == 1
