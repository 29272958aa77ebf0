"""Whole builds: with KenLM's programs where they are, with stand-ins for them elsewhere."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import kenlm
import pytest

from tests.tools.lm.test_programs import needs_kenlm
from tests.tools.lm.tiny import FARM, TOWN, write
from tools.lm.arpa import load_arpa
from tools.lm.build import Recipe, build, load_model
from tools.lm.errors import LmError

LINES = ("the cow can't fly", "the cow can fly", "fly the cow", "can the cow fly the tram")


@pytest.fixture
def stand_ins(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, list[str], Sequence[int]]]:
    """Every text becomes the farm, and a packed model is its ARPA file; what was asked for."""
    asked: list[tuple[int, list[str], Sequence[int]]] = []

    def estimate(
        lines: list[str], words: list[str], arpa: Path, order: int, prune: Sequence[int]
    ) -> None:
        asked.append((len(lines), sorted(words), prune))
        arpa.write_text(FARM, encoding="utf-8")

    def pack(arpa: Path, binary: Path) -> None:
        binary.write_bytes(arpa.read_bytes())

    monkeypatch.setattr("tools.lm.build.find_program", lambda name: name)
    monkeypatch.setattr("tools.lm.build.estimate", estimate)
    monkeypatch.setattr("tools.lm.build.pack", pack)
    return asked


def text(directory: Path, repeats: int, name: str = "text.txt") -> Path:
    return write(directory, "\n".join(LINES * repeats), name)


def test_text_and_base_are_mixed_with_weights_from_held_out_lines(
    tmp_path: Path, stand_ins: list[tuple[int, list[str], Sequence[int]]]
) -> None:
    base = write(tmp_path, TOWN, "base.arpa")
    recipe = Recipe(tmp_path / "out", texts=[[text(tmp_path, 110)]], base=base, order=2)
    said = "\n".join(build(recipe))
    assert stand_ins[0][0] == 440 - 22  # every 20th is held out
    assert stand_ins[0][2] == (0, 0)
    assert "unknown words on 22 held-out sentences" in said
    assert "weights: 0." in said
    model = load_model(tmp_path / "out" / "lm.bin")
    assert {"tram", "cow"} <= set(model.words)
    listed = (tmp_path / "out" / "words.txt").read_text().split()
    assert listed == sorted(set(model.words) - {"<s>", "</s>", "<unk>"})


def test_the_base_keeps_a_share_of_weights_that_are_found(
    tmp_path: Path, stand_ins: list[tuple[int, list[str], Sequence[int]]]
) -> None:
    base = write(tmp_path, TOWN, "base.arpa")
    same = "\n".join(["the cow can't fly"] * 440)
    recipe = Recipe(tmp_path, texts=[[write(tmp_path, same, "text.txt")]], base=base)
    assert "weights: 0.800 text, 0.200 base" in build(recipe)


def test_given_weights_need_no_held_out_lines(
    tmp_path: Path, stand_ins: list[tuple[int, list[str], Sequence[int]]]
) -> None:
    base = write(tmp_path, TOWN, "base.arpa")
    texts = [[text(tmp_path, 1)], [text(tmp_path, 2, "more.txt")]]
    said = "\n".join(build(Recipe(tmp_path, texts=texts, base=base, weights=(0.5, 0.2))))
    assert "weights: 0.500 text 1, 0.200 text 2, 0.300 base" in said


def test_rare_words_are_counted_over_all_text(
    tmp_path: Path, stand_ins: list[tuple[int, list[str], Sequence[int]]]
) -> None:
    texts = [[text(tmp_path, 1)], [write(tmp_path, "tram", "tram.txt")]]
    list(build(Recipe(tmp_path, texts=texts, weights=(0.5, 0.5), min_count=2)))
    assert [words for _, words, _ in stand_ins] == [["can", "cow", "fly", "the", "tram"]] * 2


def test_phrases_go_into_the_base(
    tmp_path: Path, stand_ins: list[tuple[int, list[str], Sequence[int]]]
) -> None:
    base = write(tmp_path, FARM, "base.arpa")
    phrases = write(tmp_path, "Quilter\nthe cow\n", "phrases.txt")
    said = "\n".join(build(Recipe(tmp_path / "out", base=base, phrases=phrases)))
    assert "phrases: 2, weight 0.0002, 1 words new to the model" in said
    assert "quilter" in load_model(tmp_path / "out" / "lm.bin").words
    assert stand_ins == []


def test_a_model_that_is_too_large_is_pruned(
    tmp_path: Path, stand_ins: list[tuple[int, list[str], Sequence[int]]]
) -> None:
    base = write(tmp_path, FARM, "base.arpa")
    held_out = text(tmp_path, 1)
    recipe = Recipe(tmp_path / "out", base=base, held_out=held_out, max_mb=0.00022)
    assert any(line.startswith("pruned ") for line in list(build(recipe)))
    pruned = load_arpa(tmp_path / "out" / "lm.bin").counts
    assert pruned[0] == 7
    assert sum(pruned) < 15


@pytest.mark.parametrize(
    ("recipe", "reason"),
    [
        ({}, "nothing to build from"),
        ({"texts": [1]}, "has no words"),
        ({"texts": [2], "base": True}, "too few to find the best weight; give --weight"),
        ({"texts": [2], "base": True, "weights": (0.5, 0.2)}, "wants 1 numbers above 0"),
        ({"texts": [2], "base": True, "weights": (1.0,)}, "leave something for the base"),
        ({"texts": [2], "base": True, "weights": (math.nan,)}, "wants 1 numbers above 0"),
        ({"texts": [2], "weights": (math.nan,)}, "wants 1 numbers above 0"),
        ({"texts": [2], "min_count": 99}, "no word occurs 99 times"),
    ],
)
def test_what_cannot_be_built_is_refused(
    tmp_path: Path,
    stand_ins: list[tuple[int, list[str], Sequence[int]]],
    recipe: dict[str, object],
    reason: str,
) -> None:
    if recipe.get("base"):
        recipe = {**recipe, "base": write(tmp_path, TOWN, "base.arpa")}
    if "texts" in recipe:
        content = "" if recipe["texts"] == [1] else "\n".join(LINES)
        reason = reason.replace("has no words", "holds no words")
        recipe = {**recipe, "texts": [[write(tmp_path, content, "text.txt")]]}
    with pytest.raises(LmError, match=reason):
        list(build(Recipe(tmp_path / "out", **recipe)))  # type: ignore[arg-type]
    assert not (tmp_path / "out").exists()


def test_a_missing_base_is_refused(
    tmp_path: Path, stand_ins: list[tuple[int, list[str], Sequence[int]]]
) -> None:
    with pytest.raises(LmError, match="no such file; give a KenLM trie binary or an ARPA file"):
        list(build(Recipe(tmp_path / "out", base=tmp_path / "gone.bin")))


@needs_kenlm
def test_a_model_from_text_base_and_phrases_loads_and_knows_them(tmp_path: Path) -> None:
    list(build(Recipe(tmp_path / "base", texts=[[text(tmp_path, 30)]])))
    more = write(tmp_path, "we took the tram\nthe tram was late\n" * 300, "more.txt")
    phrases = write(tmp_path, "Quilter's tractor\n", "phrases.txt")
    base = tmp_path / "base" / "lm.bin"
    list(build(Recipe(tmp_path / "mixed", texts=[[more]], base=base, phrases=phrases)))
    before, after = (kenlm.Model(str(path)) for path in (base, tmp_path / "mixed" / "lm.bin"))
    assert after.score("we took the tram") > before.score("we took the tram") + 1
    (_, _, first_unknown), (second_log10, length, _), _ = after.full_scores("quilter's tractor")
    assert (first_unknown, length) == (False, 2)
    assert second_log10 > -0.2  # once it has begun, it goes on
    assert after.score("the cow can't fly") > before.score("the cow can't fly") - 3
    assert "tractor" in (tmp_path / "mixed" / "words.txt").read_text().split()
