"""Reading ARPA files: every fault is named by its line, and KenLM refuses the same files."""

from __future__ import annotations

from pathlib import Path

import kenlm
import pytest

from gpu_worker.decoding.arpa import ArpaError, read_arpa

GOOD = """\\data\\
ngram 1=5
ngram 2=2

\\1-grams:
-1\t<unk>
-99\t<s>\t-0.3
-0.5\t</s>
-0.5\tto\t-0.2
-0.5\tbe

\\2-grams:
-0.2\t<s> to
-0.3\tto be

\\end\\
"""


def fault(text: str) -> str:
    with pytest.raises(ArpaError) as found:
        list(read_arpa(text.splitlines()))
    return str(found.value)


def test_entries_come_with_line_score_words_and_backoff() -> None:
    entries = list(read_arpa(GOOD.splitlines()))
    assert entries[1] == (7, -99.0, ["<s>"], -0.3)
    assert entries[-1] == (14, -0.3, ["to", "be"], 0.0)
    assert len(entries) == 7


FAULTS = [
    ("", "line 1: the header \\data\\ is missing"),
    (GOOD.replace("\\data\\\n", ""), "line 1: the header \\data\\ is missing"),
    (GOOD.replace("ngram 1=5\nngram 2=2\n", ""), "line 3: 'ngram 1=COUNT' is expected"),
    (GOOD.replace("ngram 2=2", "ngram 3=2"), "line 3: 'ngram 2=COUNT' is expected"),
    (GOOD.replace("ngram 1=5", "ngram 1=x"), "line 2: 'ngram 1=COUNT' is expected"),
    (GOOD.replace("ngram 1=5", "ngram 1=6"), "line 12: the header promises 6 1-grams, but there"),
    (GOOD.replace("ngram 1=5", "ngram 1=4"), "line 10: \\2-grams: is expected; more n-grams"),
    (GOOD.replace("\\2-grams:", "\\3-grams:"), "line 12: \\2-grams: is expected, not"),
    (GOOD.replace("-0.2\t<s> to", "-o.2\t<s> to"), "line 13: '-o.2' is not a number"),
    (GOOD.replace("-0.2\t<s> to", "nan\t<s> to"), "line 13: 'nan' is not a number"),
    (GOOD.replace("-0.5\tto\t-0.2", "-0.5\tto\tx"), "line 9: 'x' is not a number"),
    (GOOD.replace("-0.2\t<s> to", "0.2\t<s> to"), "line 13: the logarithm of a probability is"),
    (GOOD.replace("to be", "to bee"), "line 14: the word 'bee' is not among the 1-grams"),
    (GOOD.replace("-0.5\tbe\n", "-0.5\tto\n"), "line 10: the word 'to' is there twice"),
    (GOOD.replace("-0.3\tto be", "-0.3\tto"), "line 14: a logarithm, 2 words expected"),
    (GOOD.replace("-0.5\tbe\n", "-0.5\n"), "line 10: a logarithm, 1 word and perhaps a back-off"),
    (GOOD.replace("\\end\\\n", ""), "line 15: \\end\\ is expected after the last 2-gram"),
    (GOOD[: GOOD.index("-0.3\tto be")], "line 13: the header promises 2 2-grams, but there are 1"),
]


@pytest.mark.parametrize(("text", "expected"), FAULTS)
def test_a_fault_is_named_by_its_line(text: str, expected: str) -> None:
    assert fault(text).startswith(expected)


def test_kenlm_takes_the_good_one(tmp_path: Path) -> None:
    path = tmp_path / "lm.arpa"
    path.write_text(GOOD, encoding="utf-8")
    assert kenlm.Model(str(path)).order == 2
