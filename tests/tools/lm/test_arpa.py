from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

from tests.tools.lm.tiny import FARM, write
from tools.lm.arpa import load_arpa, write_arpa
from tools.lm.errors import LmError


def test_what_is_written_is_what_was_read(tmp_path: Path) -> None:
    model = load_arpa(write(tmp_path, FARM))
    write_arpa(model, tmp_path / "again.arpa")
    again = load_arpa(tmp_path / "again.arpa")
    assert again.words == model.words
    for one, other in zip(again.levels, model.levels, strict=True):
        assert one.keys.tolist() == other.keys.tolist()
        np.testing.assert_allclose(one.log10, other.log10)
        np.testing.assert_allclose(one.backoff, other.backoff)


def test_a_compressed_file_is_unpacked(tmp_path: Path) -> None:
    path = tmp_path / "lm.arpa.gz"
    path.write_bytes(gzip.compress(FARM.encode()))
    assert load_arpa(path).counts == [7, 6, 2]


def test_a_file_without_the_unknown_word_gets_one(tmp_path: Path) -> None:
    lacking = FARM.replace("-1.2\t<unk>\t0\n", "").replace("ngram 1=7", "ngram 1=6")
    model = load_arpa(write(tmp_path, lacking))
    assert model.levels[0].log10[model.ids["<unk>"]] == -np.inf


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        (FARM.replace("-0.8\tcow", "-0,8\tcow"), "line 11: '-0,8' is not a number"),
        (FARM.replace("-0.7\tthe fly\t0\n", ""), "line 22: the header promises 6 2-grams"),
        (FARM.replace("the fly\t0", "the bee\t0"), "line 18: the word 'bee' is not among the 1-"),
    ],
)
def test_a_wrong_file_is_refused_by_file_and_line(tmp_path: Path, wrong: str, reason: str) -> None:
    path = write(tmp_path, wrong)
    with pytest.raises(LmError, match=reason) as refused:
        load_arpa(path)
    assert str(refused.value).startswith(f"{path}: line ")


def test_a_context_that_is_missing_is_named_with_its_line(tmp_path: Path) -> None:
    wrong = FARM.replace("<s> the cow\n", "cow the fly\n")
    line = wrong.splitlines().index("-0.1\tcow the fly") + 1
    with pytest.raises(LmError, match=f"line {line}: its first 2 words are not among the 2-grams"):
        load_arpa(write(tmp_path, wrong))


def test_another_encoding_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "lm.arpa"
    path.write_bytes(FARM.replace("cow", "k\xfch").encode("latin-1"))
    with pytest.raises(LmError, match="not an ARPA file in UTF-8"):
        load_arpa(path)


def test_a_damaged_archive_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "lm.arpa.gz"
    path.write_bytes(gzip.compress(FARM.encode())[:-12])
    with pytest.raises(LmError, match="cannot be read"):
        load_arpa(path)
