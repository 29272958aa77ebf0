"""From text, phrases and a base model to one file that the engine loads.

Each group of text files becomes a model of its own (lmplz); all are mixed with the base, weighted
by what predicts the held-out lines best unless weights are given; phrases go in last; the result is
pruned to a size and packed. What is worth telling an operator is yielded as lines of text while it
happens.
"""

from __future__ import annotations

import math
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np

from tools.lm.arpa import load_arpa, write_arpa
from tools.lm.errors import LmError
from tools.lm.mixing import best_weights, mix
from tools.lm.ngrams import BEGIN, END, UNKNOWN, NgramModel
from tools.lm.perplexity import quality_of, score_words
from tools.lm.phrases import phrase_model, phrase_weight, read_phrases
from tools.lm.programs import estimate, find_program, pack
from tools.lm.pruning import prune_to
from tools.lm.text import held_out, read_corpus
from tools.lm.trie import is_binary, read_trie

BINARY_FILE: Final = "lm.bin"
WORDS_FILE: Final = "words.txt"
HELD_OUT_EVERY: Final = 20
MIN_HELD_OUT: Final = 20
"""Fewer held-out lines than this say too little about weights."""
MIN_BASE_WEIGHT: Final = 0.2
"""What the base keeps when weights are found: people say more than is in an operator's text."""
SPECIAL: Final = frozenset({UNKNOWN, BEGIN, END})


@dataclass(frozen=True, slots=True)
class Recipe:
    """What to build. `weights` are one for each group of texts; the base gets the rest."""

    output: Path
    texts: Sequence[Sequence[Path]] = ()
    base: Path | None = None
    weights: Sequence[float] | None = None
    phrases: Path | None = None
    phrase_probability: float = 1e-4
    held_out: Path | None = None
    order: int = 3
    prune: Sequence[int] = (0, 0, 1)
    min_count: int = 1
    max_mb: float = 100.0


@dataclass(slots=True)
class _Ingredients:
    names: list[str] = field(default_factory=list)
    models: list[NgramModel] = field(default_factory=list)
    test: list[str] = field(default_factory=list)

    def add(self, name: str, model: NgramModel) -> None:
        self.names.append(name)
        self.models.append(model)


def build(recipe: Recipe) -> Iterator[str]:
    """Writes lm.bin and words.txt into the output directory; yields what it does and finds.

    Raises:
        LmError: whatever cannot be used, and what would be right.
    """
    for program in ("build_binary", *(("lmplz",) if recipe.texts else ())):
        find_program(program)
    phrases = read_phrases(recipe.phrases) if recipe.phrases else []
    parts = _Ingredients()
    yield from _read_texts(recipe, parts)
    if recipe.base is not None:
        parts.add("base", load_model(recipe.base))
        yield f"base: {recipe.base}, {_size(parts.models[-1])}"
    if not parts.models:
        raise LmError("nothing to build from: give --text, or --phrases with --base")
    weights = _weights(recipe, parts)
    for name, model in zip(parts.names, parts.models, strict=True):
        yield from _measured(name, model, parts.test)
    model = mix(parts.models, weights) if len(weights) > 1 else parts.models[0]
    if len(weights) > 1:
        shares = zip(weights, parts.names, strict=True)
        yield "weights: " + ", ".join(f"{weight:.3f} {name}" for weight, name in shares)
        yield from _measured("mixed", model, parts.test)
    if phrases:
        new = {word for phrase in phrases for word in phrase.split()} - set(model.words)
        weight = phrase_weight(len(phrases), recipe.phrase_probability)
        model = mix([model, phrase_model(phrases, recipe.order)], [1 - weight, weight])
        yield f"phrases: {len(phrases)}, weight {weight:.4f}, {len(new)} words new to the model"
        yield from _measured("with phrases", model, parts.test)
    before = model.counts
    model = prune_to(model, int(recipe.max_mb * 1e6))
    if model.counts != before:
        yield from _measured("pruned", model, parts.test)
    yield _write(model, recipe.output)


def load_model(path: Path) -> NgramModel:
    """A model from an ARPA file or a KenLM trie.

    Raises:
        LmError: it is missing, wrong, or of a kind whose n-grams cannot be listed.
    """
    if not path.is_file():
        raise LmError(f"{path}: no such file; give a KenLM trie binary or an ARPA file")
    return read_trie(path) if is_binary(path) else load_arpa(path)


def _read_texts(recipe: Recipe, parts: _Ingredients) -> Iterator[str]:
    corpora: list[list[str]] = []
    for paths in recipe.texts:
        lines: list[str] = []
        for path in paths:
            corpus = read_corpus(path)
            lines += corpus.lines
            note = f", {corpus.unspeakable} lines without a-z left out"
            yield f"{path}: {len(corpus.lines)} sentences{note if corpus.unspeakable else ''}"
        if recipe.held_out is None:
            lines, test = held_out(lines, HELD_OUT_EVERY)
            parts.test += test
        corpora.append(lines)
    if recipe.held_out is not None:
        parts.test = read_corpus(recipe.held_out).lines
    counts = Counter(word for lines in corpora for line in lines for word in line.split())
    words = [word for word, count in counts.items() if count >= recipe.min_count]
    if corpora and not words:
        raise LmError(f"no word occurs {recipe.min_count} times; lower --min-count")
    for number, lines in enumerate(corpora, start=1):
        name = "text" if len(corpora) == 1 else f"text {number}"
        with tempfile.TemporaryDirectory(prefix="lm-") as scratch:
            arpa = Path(scratch) / "text.arpa"
            estimate(lines, words, arpa, recipe.order, recipe.prune[: recipe.order])
            parts.add(name, load_arpa(arpa))
        yield f"{name}: {len(lines)} sentences to train on, {_size(parts.models[-1])}"


def _weights(recipe: Recipe, parts: _Ingredients) -> list[float]:
    """A weight for each model, in their order; they sum to 1."""
    if len(parts.models) == 1 and recipe.weights is None:
        return [1.0]
    if recipe.weights is not None:
        given = list(recipe.weights)
        rest = [1 - sum(given)] if recipe.base is not None else []
        usable = all(0 < weight < math.inf for weight in given + rest)
        if len(given) != len(recipe.texts) or not usable:
            raise LmError(
                f"--weight wants {len(recipe.texts)} numbers above 0, one for each --text, that "
                f"leave something for the base, not {','.join(map(str, given))}"
            )
        return [weight / sum(given + rest) for weight in given + rest]
    if len(parts.test) < MIN_HELD_OUT:
        raise LmError(
            f"{len(parts.test)} held-out lines are too few to find the best weight; give --weight "
            f"0.3, or at least {MIN_HELD_OUT * HELD_OUT_EVERY} sentences, or --held-out FILE"
        )
    best = best_weights(np.stack([score_words(model, parts.test) for model in parts.models]))
    if recipe.base is None or best[-1] >= MIN_BASE_WEIGHT:
        return best
    scale = (1 - MIN_BASE_WEIGHT) / (1 - best[-1])
    return [*(weight * scale for weight in best[:-1]), MIN_BASE_WEIGHT]


def _measured(name: str, model: NgramModel, test: Sequence[str]) -> Iterator[str]:
    if test:
        yield f"{name:<14} {quality_of(model, test)} on {len(test)} held-out sentences"


def _write(model: NgramModel, output: Path) -> str:
    """Writes both files and says what they hold; a file that was there is replaced whole."""
    output.mkdir(parents=True, exist_ok=True)
    binary, words = output / BINARY_FILE, output / WORDS_FILE
    with tempfile.TemporaryDirectory(prefix=".lm-", dir=output) as scratch:
        arpa, packed = Path(scratch) / "lm.arpa", Path(scratch) / BINARY_FILE
        write_arpa(model, arpa)
        pack(arpa, packed)
        listed = Path(scratch) / WORDS_FILE
        known = sorted(set(model.words) - SPECIAL)
        listed.write_text("".join(f"{word}\n" for word in known), encoding="utf-8")
        packed.replace(binary)
        listed.replace(words)
    return f"{binary}: {binary.stat().st_size / 1e6:.1f} MB, {_size(model)}; {words}"


def _size(model: NgramModel) -> str:
    words, *longer = model.counts
    grams = ", ".join(f"{count:,} {n}-grams" for n, count in enumerate(longer, start=2))
    return f"{words:,} words, {grams}"
