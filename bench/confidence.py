"""Fits what a word's confidence means, and measures it: expected calibration error over words.

    python -m bench.confidence MANIFEST.jsonl [--model DIR] [--clips 150] [--rows-out ROWS.jsonl]
    python -m bench.confidence --rows ROWS.jsonl [--write DIR]

decodes clips (see `clip_log_probs`), asks of every word that the search shows whether it is right,
and fits a logistic regression for each stage of `gpu_worker.decoding.confidence` that there is
evidence for. A row is ``{"speaker", "correct"}`` and the fields of `Evidence`, of which
`share` and `attention_log_prob` are null where they are unknown; rows of another decoder, such as a
second pass, can be fitted too. A word is right where lining up its text with the reference
matches it. `--write` puts `confidence.json` into a directory and keeps the stages that the rows say
nothing about.

The expected calibration error (ECE; Naeini et al. 2015, Guo et al. 2017): words in ten bins of
equal width by confidence; the bins' distances between mean confidence and share of right words,
weighted by their words. Fitted on half of the speakers and measured on the others, and the other
way round. AUC: how often a right word stands above a wrong one.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from bench.clip_log_probs import SpokenClip, spoken_clips
from bench.language import language_model_of
from gpu_worker.decoding import Aligner, BeamSearch, Vocabulary
from gpu_worker.decoding.confidence import (
    CONFIDENCE_FILE,
    STAGES,
    UNCALIBRATED,
    Calibration,
    Evidence,
    evidence,
)
from models import BUNDLED_MODEL
from models.spec import ModelSpec

BINS: Final = 10
N_BEST: Final = 30
RIDGE: Final = 1.0  # a weak pull of the weights towards 0, in words


@dataclass(frozen=True, slots=True)
class Row:
    """A word that was shown, and whether it was right."""

    speaker: str
    correct: bool
    evidence: Evidence

    @classmethod
    def of(cls, fields: dict[str, Any]) -> Row:
        return cls(fields.pop("speaker"), fields.pop("correct"), Evidence(**fields))

    def fields(self) -> dict[str, Any]:
        return {"speaker": self.speaker, "correct": self.correct, **asdict(self.evidence)}


def main() -> None:
    """Collect or read rows, fit, print, and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("manifest", type=Path, nargs="?")
    parser.add_argument("--model", type=Path, default=BUNDLED_MODEL)
    parser.add_argument("--clips", type=int, default=150)
    parser.add_argument("--beam-size", type=int, default=100)
    parser.add_argument("--rows", type=Path, help="fit these instead of decoding a manifest")
    parser.add_argument("--rows-out", type=Path, help="write the rows that were collected")
    parser.add_argument("--write", type=Path, metavar="DIR", help="write confidence.json there")
    options = parser.parse_args()
    if (options.manifest is None) == (options.rows is None):
        parser.error("give either a manifest or --rows")
    if options.rows is not None:
        lines = options.rows.read_text(encoding="utf-8").splitlines()
        rows = [Row.of(json.loads(line)) for line in lines]
    else:
        torch.set_num_threads(1)
        spec = ModelSpec.load(options.model)
        clips = spoken_clips(options.manifest, spec, options.clips)
        rows = collected(spec, clips, options.beam_size)
    if options.rows_out is not None:
        options.rows_out.write_text("".join(json.dumps(row.fields()) + "\n" for row in rows))
    stages = reported(rows)
    if options.write is not None:
        kept = dict(Calibration.load(options.write).stages)
        text = json.dumps({**kept, **stages}, indent=1)
        (options.write / CONFIDENCE_FILE).write_text(text + "\n")


def collected(spec: ModelSpec, clips: Iterable[SpokenClip], beam_size: int) -> list[Row]:
    """Every word of the finals twice: by its alignment alone, and with the n-best texts.

    Prints what the confidences that the search itself shows are worth.
    """
    vocabulary = Vocabulary(spec.vocabulary, spec.blank)
    model = language_model_of(spec)
    search = BeamSearch(vocabulary, beam_size, model, Calibration.load(spec.directory))
    aligner = Aligner(vocabulary)
    rows: list[Row] = []
    shown: list[float] = []
    for clip in clips:
        search.reset()
        search.advance(clip.log_probs)
        final = search.final()
        shown += [word.confidence for word in final.words]
        right = are_right(final.text.split(), clip.text.split())
        aligned = aligner.align(clip.log_probs, final.text)
        found = evidence(aligned, model, search.n_best(N_BEST))
        for word, correct in zip(found, right, strict=True):
            rows.append(Row(clip.speaker, correct, replace(word, share=None)))
            rows.append(Row(clip.speaker, correct, word))
    right_ones = np.array([row.correct for row in rows[::2]])
    print(f"as the search shows them now: {worth(np.array(shown), right_ones)}")
    return rows


def are_right(words: Sequence[str], reference: Sequence[str]) -> list[bool]:
    """Which words the reference has at their place."""
    matcher = SequenceMatcher(None, words, reference, autojunk=False)
    right = [False] * len(words)
    for match in matcher.get_matching_blocks():
        right[match.a : match.a + match.size] = [True] * match.size
    return right


def reported(rows: Sequence[Row]) -> dict[str, dict[str, float]]:
    """Print what each stage's confidences are worth; gives the weights fitted on all rows."""
    stages: dict[str, dict[str, float]] = {}
    for stage, names in STAGES.items():
        own = [row for row in rows if row.evidence.stage == stage]
        if not own:
            continue
        speakers = sorted({row.speaker for row in own})
        half = set(speakers[::2])
        correct = np.array([row.correct for row in own])
        in_half = np.array([row.speaker in half for row in own])
        print(f"{stage}: {len(own)} words, {100 * correct.mean():.1f}% right")
        plain = np.array([UNCALIBRATED.confidence(row.evidence) for row in own])
        print(f"  geometric mean        {worth(plain, correct)}")
        held_out = np.zeros(len(own))
        for fit_on, name in ((in_half, "A"), (~in_half, "B")):
            weights = fitted([own[index] for index in np.flatnonzero(fit_on)], names)
            judged = confidences(own, stage, weights)
            held_out[~fit_on] = judged[~fit_on]
            there, elsewhere = (ece(judged[m], correct[m]) for m in (fit_on, ~fit_on))
            print(f"  fitted on speakers {name}  ECE {there:.3f}, on the others {elsewhere:.3f}")
        print(f"  both halves held out  {worth(held_out, correct)}")
        for line in reliability(held_out, correct):
            print("   ", line)
        stages[stage] = fitted(own, names)
        print("  weights from all:", stages[stage], flush=True)
    return stages


def fitted(rows: Sequence[Row], names: Sequence[str]) -> dict[str, float]:
    """Logistic regression by Newton's method (iteratively reweighted least squares)."""
    x = np.array([[row.evidence.feature(name) for name in names] for row in rows])
    y = np.array([row.correct for row in rows], float)
    pull = RIDGE * np.diag([float(name != "bias") for name in names])
    weights = np.zeros(len(names))
    for _ in range(30):
        chance = 0.5 * (1 + np.tanh(0.5 * (x @ weights)))
        curvature = x.T @ (x * (chance * (1 - chance))[:, None]) + pull
        weights += np.linalg.solve(curvature, x.T @ (y - chance) - pull @ weights)
    return {name: round(float(w), 4) for name, w in zip(names, weights, strict=True)}


def confidences(rows: Sequence[Row], stage: str, weights: dict[str, float]) -> NDArray[np.float64]:
    calibration = Calibration({stage: weights})
    return np.array([calibration.confidence(row.evidence) for row in rows])


def ece(confidence: NDArray[np.float64], correct: NDArray[np.bool_]) -> float:
    """Expected calibration error, 0 to 1."""
    bins = _bins(confidence)
    gaps = [abs(confidence[bins == b].sum() - correct[bins == b].sum()) for b in range(BINS)]
    return float(sum(gaps)) / len(correct)


def worth(confidence: NDArray[np.float64], correct: NDArray[np.bool_]) -> str:
    """ECE, and how well right words rank above wrong ones: the area under the ROC curve."""
    right, wrong = confidence[correct], confidence[~correct]
    above = (right[:, None] > wrong).mean() + 0.5 * (right[:, None] == wrong).mean()
    return f"ECE {ece(confidence, correct):.3f}  AUC {above:.3f}"


def reliability(confidence: NDArray[np.float64], correct: NDArray[np.bool_]) -> Iterator[str]:
    """One line for each bin that has words."""
    bins = _bins(confidence)
    for b in range(BINS):
        chosen = bins == b
        if chosen.any():
            yield (
                f"{b / BINS:.1f} to {(b + 1) / BINS:.1f}: {chosen.sum():5d} words, mean confidence"
                f" {confidence[chosen].mean():.3f}, right {correct[chosen].mean():.3f}"
            )


def _bins(confidence: NDArray[np.float64]) -> NDArray[np.intp]:
    return np.minimum((confidence * BINS).astype(np.intp), BINS - 1)


if __name__ == "__main__":
    main()
