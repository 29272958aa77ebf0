from __future__ import annotations

from pathlib import Path

import kenlm
import numpy as np
import pytest

from models import BUNDLED_MODEL
from tests.tools.lm.tiny import FARM, write
from tools.lm.arpa import load_arpa
from tools.lm.errors import LmError
from tools.lm.trie import is_binary, read_trie

DATA = Path(__file__).parent / "data"
KINDS = ("plain", "quantised", "compressed", "quantised_compressed")
SENTENCES = (
    "it was the best of times",
    "i do not know what you mean by zzqx said the man in the moon",
    "yes",
    "the the the",
)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_trie_gives_back_its_ngrams(tmp_path: Path, kind: str) -> None:
    model, source = read_trie(DATA / f"{kind}.bin"), load_arpa(write(tmp_path, FARM))
    assert sorted(model.words) == sorted(source.words)
    for n in range(1, 4):
        place = {word: index for index, word in enumerate(model.words)}
        grams = [[place[source.words[w]] for w in gram] for gram in source.grams(n).tolist()]
        rows = model.rows_of(np.array(grams, np.int32))
        assert sorted(rows.tolist()) == list(range(len(source.levels[n - 1])))
        log10, backoff = model.levels[n - 1].log10[rows], model.levels[n - 1].backoff[rows]
        assert log10 == pytest.approx(source.levels[n - 1].log10.clip(-99))
        assert backoff == pytest.approx(source.levels[n - 1].backoff)


@pytest.mark.slow
def test_the_bundled_model_scores_as_in_kenlm() -> None:
    path = BUNDLED_MODEL / "lm.bin"
    model, theirs = read_trie(path), kenlm.Model(str(path))
    for sentence in SENTENCES:
        words = ["<s>", *sentence.split(), "</s>"]
        ids = [model.ids.get(word, model.ids["<unk>"]) for word in words]
        for at, (expected, _, _) in enumerate(theirs.full_scores(sentence), start=1):
            gram = np.array([ids[max(0, at - model.order + 1) : at + 1]], np.int32)
            assert model.log10_of(gram)[0] == pytest.approx(expected, abs=1e-5)


def test_a_binary_is_known_by_its_beginning(tmp_path: Path) -> None:
    assert is_binary(DATA / "plain.bin")
    assert not is_binary(write(tmp_path, FARM))


def test_a_hash_table_is_refused_with_advice() -> None:
    with pytest.raises(LmError, match="cannot be listed; give the ARPA file"):
        read_trie(DATA / "hashed.bin")


def test_a_trie_without_words_is_refused_with_advice() -> None:
    with pytest.raises(LmError, match="built without its words"):
        read_trie(DATA / "without_words.bin")


@pytest.mark.parametrize("kind", KINDS)
def test_a_cut_off_file_is_refused_wherever_it_ends(tmp_path: Path, kind: str) -> None:
    whole = (DATA / f"{kind}.bin").read_bytes()
    path = tmp_path / "lm.bin"
    for size in {*range(20, len(whole), 37), len(whole) - 1}:
        path.write_bytes(whole[:size])
        with pytest.raises(LmError, match="ends early or is damaged"):
            read_trie(path)
