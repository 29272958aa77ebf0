"""Words' starts and ends against an independent forced alignment by PocketSphinx.

    python -m bench.word_times MANIFEST.jsonl [--model DIR] [--clips 60]

decodes clips (see `clip_log_probs`), lines up the words found with the reference, and prints how
far off the starts and ends of those in common are: median and 90th percentile of the distance, and
the median with its sign (positive is late). "emitted" are the frames of the words' tokens, "shown"
the times that clients get; once for the search's words, once for the reference text aligned to the
same log-probabilities. PocketSphinx aligns the reference to the audio with its own US English model
in frames of 10 ms; clips with words that its dictionary lacks are left out.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from bench.clip_log_probs import SpokenClip, spoken_clips
from bench.language import language_model_of
from gpu_worker.decoding import Aligner, BeamSearch, Vocabulary, spoken_frames
from models import BUNDLED_MODEL
from models.spec import ModelSpec

SPHINX_FRAME_MS = 10


class Span(NamedTuple):
    """When a word was spoken, `end_ms` exclusive."""

    word: str
    start_ms: float
    end_ms: float


def main() -> None:
    """Print one line for each kind of times."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("manifest", type=Path)
    parser.add_argument("--model", type=Path, default=BUNDLED_MODEL)
    parser.add_argument("--clips", type=int, default=60)
    parser.add_argument("--beam-size", type=int, default=100)
    options = parser.parse_args()
    torch.set_num_threads(1)
    spec = ModelSpec.load(options.model)
    sphinx = make_sphinx(spec.sample_rate_hz)
    vocabulary = Vocabulary(spec.vocabulary, spec.blank)
    model = language_model_of(spec)
    search = BeamSearch(vocabulary, options.beam_size, model)
    aligner = Aligner(vocabulary)
    frame_ms = 1000 * spec.frame_s
    errors: dict[str, list[tuple[float, float]]] = {}
    clips = 0
    for clip in spoken_clips(options.manifest, spec, options.clips):
        spoken = sphinx_spans(sphinx, clip)
        if spoken is None:
            continue
        clips += 1
        search.reset()
        search.advance(clip.log_probs)
        shown = [(w.text, w.start_frame, w.end_frame) for w in search.final().words]
        aligned = [
            (w.text, w.start_frame, w.end_frame) for w in aligner.align(clip.log_probs, clip.text)
        ]
        frames = [(start, end) for _, start, end in aligned]
        moved = [(w, *span) for (w, _, _), span in zip(aligned, spoken_frames(frames), strict=True)]
        for name, found in (
            ("the search's words, shown", shown),
            ("the reference, emitted", aligned),
            ("the reference, shown", moved),
        ):
            spans = [Span(word, start * frame_ms, end * frame_ms) for word, start, end in found]
            errors.setdefault(name, []).extend(compared(spans, spoken))
    print(f"{clips} clips that PocketSphinx could align; ms")
    print(f"{'':<26}  words  start: median   p90  signed  end: median   p90  signed")
    for name, pairs in errors.items():
        print(f"{name:<26}  {len(pairs):>5}  {described(pairs, 0, 13)}  {described(pairs, 1, 11)}")


def make_sphinx(sample_rate_hz: int) -> Any:
    """PocketSphinx with the model of its wheel."""
    from pocketsphinx import Decoder  # type: ignore[import-untyped]

    return Decoder(samprate=sample_rate_hz, loglevel="FATAL")


def sphinx_spans(sphinx: Any, clip: SpokenClip) -> list[Span] | None:
    """Where PocketSphinx hears the reference's words; None where it cannot align them."""
    words = clip.text.split()
    if any(sphinx.lookup_word(word) is None for word in words):
        return None
    sphinx.set_align_text(clip.text)
    sphinx.start_utt()
    sphinx.process_raw(clip.samples.tobytes(), full_utt=True)
    sphinx.end_utt()
    spans = [
        Span(
            segment.word.partition("(")[0],  # without the number of a pronunciation
            segment.start_frame * SPHINX_FRAME_MS,
            (segment.end_frame + 1) * SPHINX_FRAME_MS,
        )
        for segment in sphinx.seg() or ()
        if segment.word[0] not in "<["
    ]
    return spans if [span.word for span in spans] == words else None


def compared(found: Sequence[Span], spoken: Sequence[Span]) -> list[tuple[float, float]]:
    """How late the starts and ends of the words in common are found, in ms."""
    matcher = SequenceMatcher(
        None, [span.word for span in found], [span.word for span in spoken], autojunk=False
    )
    return [
        (ours.start_ms - theirs.start_ms, ours.end_ms - theirs.end_ms)
        for a, b, size in matcher.get_matching_blocks()
        for ours, theirs in zip(found[a : a + size], spoken[b : b + size], strict=True)
    ]


def described(pairs: Sequence[tuple[float, float]], edge: int, width: int) -> str:
    """Median and 90th percentile of the distance, and the signed median."""
    errors = np.array([pair[edge] for pair in pairs])
    distance = np.abs(errors)
    median, high = np.median(distance), np.percentile(distance, 90)
    return f"{median:>{width}.0f}  {high:>4.0f}  {np.median(errors):>+6.0f}"


if __name__ == "__main__":
    main()
