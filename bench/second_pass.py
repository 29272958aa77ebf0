"""Word error rate of the second pass for a grid of its weights, on whole clips.

    python -m bench.second_pass MANIFEST.jsonl [--clips 108] [--model DIR] [--second-pass DIR]
                                [--rows-out ROWS.jsonl]

Every clip is one segment. Its log-probabilities and what the second pass hears are computed once;
then each combination of weights chooses among the same hypotheses. The first rows are each pass
alone, the last one is the best that any choice could do. This is how the weights in
`gpu_worker/second_pass/choice.py` were chosen. It ends with what CTC says for the transcripts, and
for the first pass against that choice: the model's `least_support` and `missed_nats_per_s` must
leave room for both. `--rows-out` writes what speaks for every word of the engine's own choice, for
`python -m bench.confidence --rows`.
"""

from __future__ import annotations

import argparse
import itertools
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench.both_passes import BothPasses
from bench.clip_log_probs import SpokenClip, spoken_clips
from bench.confidence import Row, are_right
from gpu_worker.second_pass.choice import (
    Support,
    choose,
    missed_nats_per_s,
    preference,
    supported,
)
from gpu_worker.second_pass.rescoring import Scores, evidence_of
from models import BUNDLED_MODEL
from models.spec import ModelSpec
from tools.loadtest.wer import count_word_errors

CTC_WEIGHTS = (0.0, 0.02, 0.05, 0.08, 0.1, 0.15, 0.2)
LANGUAGE_WEIGHTS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5)
WORD_BONUSES = (0.0, 0.25, 0.5, 0.8, 1.2)
SHOWN = 12


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """One text that was heard, cut where CTC supports no more, with its scores."""

    whole: str
    cut: str
    attention: float
    ctc: float
    language: float
    words: int


@dataclass(frozen=True, slots=True)
class Heard:
    """One clip: what was said, what the first pass found, what the second heard, best first.

    ``support`` is by how many nats a word CTC prefers what was said to silence, ``missed`` by how
    many a second it prefers the first pass's text to the choice (`choice.missed_nats_per_s`).
    """

    said: str
    first_pass: str
    hypotheses: tuple[Hypothesis, ...]
    support: float
    missed: float
    rows: tuple[Row, ...]


def main() -> None:
    """Prints one line for each system and for the best weights."""
    options = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    options.add_argument("manifest", type=Path)
    options.add_argument("--clips", type=int, default=108)
    options.add_argument("--model", type=Path, default=BUNDLED_MODEL)
    options.add_argument("--second-pass", type=Path, default=None)
    options.add_argument("--rows-out", type=Path, help="for bench.confidence")
    arguments = options.parse_args()
    clips = hear(arguments.manifest, arguments.clips, arguments.model, arguments.second_pass)
    if arguments.rows_out is not None:
        lines = (json.dumps(row.fields()) for clip in clips for row in clip.rows)
        arguments.rows_out.write_text("".join(f"{line}\n" for line in lines))
    print(f"{len(clips)} clips")
    show("first pass", clips, lambda clip: clip.first_pass)
    show("second pass, uncut", clips, lambda clip: clip.hypotheses[0].whole)
    show("second pass, cut", clips, lambda clip: clip.hypotheses[0].cut)
    results = []
    for weights in itertools.product(CTC_WEIGHTS, LANGUAGE_WEIGHTS, WORD_BONUSES):
        error_rate = word_error_rate(clips, chosen_by(*weights))
        results.append((error_rate, weights))
    for error_rate, (ctc, language, bonus) in sorted(results)[:SHOWN]:
        print(f"{error_rate:6.2f}%  CTC {ctc}, language model {language}, word {bonus}")
    show("oracle", clips, oracle)
    support = sorted(clip.support for clip in clips)
    print("least support of what was said, nats a word:", listed(support))
    missed = sorted((clip.missed for clip in clips), reverse=True)
    print("most for the first pass's longer text, nats a second:", listed(missed))


def listed(values: list[float]) -> str:
    """The first of them, for a line."""
    return ", ".join(f"{value:.1f}" for value in values[:SHOWN])


def hear(manifest: Path, limit: int, first_model: Path, second_pass: Path | None) -> list[Heard]:
    """Both passes over the clips."""
    spec = ModelSpec.load(first_model)
    passes = BothPasses(spec, second_pass)
    support = Support(least=spec.least_support, sure=spec.sure_support)

    def both(clip: SpokenClip) -> Heard:
        found = passes.hear(clip.samples, clip.log_probs)
        known = evidence_of(
            passes.aligner.align(clip.log_probs, found.final),
            passes.language_model,
            found.n_best,
            found.heard,
        )
        right = are_right(found.final.split(), clip.text.split())
        rows = (Row(clip.speaker, *word) for word in zip(right, known, strict=True))
        hypotheses = tuple(
            _scored(one.text, one.log_prob, clip.log_probs, passes, support) for one in found.heard
        )
        nothing = Hypothesis("", "", 0.0, 0.0, 0.0, 0)
        words, preferred = preference(
            passes.aligner.prefix_log_likelihoods(clip.log_probs, clip.text)
        )
        scores = Scores(passes.aligner, clip.log_probs, passes.language_model)
        seconds = len(clip.log_probs) * spec.frame_s
        chosen = choose(found.heard, found.first_pass, scores, support)
        return Heard(
            clip.text,
            found.first_pass,
            hypotheses or (nothing,),
            preferred / max(1, words),
            missed_nats_per_s(chosen, found.first_pass, scores, seconds),
            tuple(rows),
        )

    return [both(clip) for clip in spoken_clips(manifest, spec, limit)]


def _scored(
    text: str,
    log_prob: float,
    log_probs: NDArray[np.float32],
    passes: BothPasses,
    support: Support,
) -> Hypothesis:
    prefixes = passes.aligner.prefix_log_likelihoods(log_probs, text)
    words = supported(prefixes, log_prob, support)
    cut = " ".join(text.split()[:words])
    language = passes.language_model.log_prob(cut)
    return Hypothesis(text, cut, log_prob, float(prefixes[words]), language, words)


def chosen_by(ctc: float, language: float, bonus: float) -> Callable[[Heard], str]:
    """The choice that these weights make."""

    def score(hypothesis: Hypothesis) -> float:
        return (
            hypothesis.attention
            + ctc * hypothesis.ctc
            + language * hypothesis.language
            + bonus * hypothesis.words
        )

    def choice(clip: Heard) -> str:
        said = [hypothesis for hypothesis in clip.hypotheses if hypothesis.words]
        return max(said, key=score).cut if said else ""

    return choice


def oracle(clip: Heard) -> str:
    """The hypothesis with the fewest errors."""
    return min(
        (hypothesis.cut for hypothesis in clip.hypotheses),
        key=lambda text: count_word_errors([(clip.said, text)]).errors,
    )


def word_error_rate(clips: list[Heard], choose: Callable[[Heard], str]) -> float:
    """In percent."""
    counted = count_word_errors((clip.said, choose(clip)) for clip in clips)
    return 100 * counted.errors / counted.words


def show(name: str, clips: list[Heard], choose: Callable[[Heard], str]) -> None:
    """Prints a system's error rate."""
    print(f"{word_error_rate(clips, choose):6.2f}%  {name}", flush=True)


if __name__ == "__main__":
    main()
