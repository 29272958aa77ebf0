"""What a list of phrases does for words that the language model lacks: recognised before and after.

    python -m bench.phrases MANIFEST.jsonl [--clips 108] [--rarest 60] [--others WORDS.txt]

picks the words of the transcripts that the bundled language model does not know or finds rarest,
builds a model with those as phrases, as `realtime-engine lm build --base --phrases` does, and
decodes with either, both passes. `--others` adds words that nobody says, one a line. A word counts
as recognised where the text of its utterance holds it as often as the transcript does; a listed
word that is made up elsewhere is counted too. Needs KenLM's programs.
"""

from __future__ import annotations

import argparse
import tempfile
from collections import Counter
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bench.both_passes import BothPasses
from bench.clip_log_probs import spoken_clips
from models import BUNDLED_MODEL
from models.spec import ModelSpec
from shm.heard import Heard
from spoken_form import to_spoken
from tools.lm.build import BINARY_FILE, Recipe, build, load_model
from tools.lm.errors import LmError
from tools.lm.ngrams import NgramModel
from tools.lm.programs import find_program
from tools.loadtest.wer import count_word_errors

BASE: Final = BUNDLED_MODEL / BINARY_FILE


class Clip(NamedTuple):
    """What was said, in spoken form, its (frames, vocabulary), and what the second pass heard."""

    text: str
    log_probs: NDArray[np.float32]
    heard: tuple[Heard, ...]


def main() -> None:
    """Prints the rare words and, without and with them as phrases, how many are recognised."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("manifest", type=Path, help="JSON lines with audio, text and speaker")
    parser.add_argument("--clips", type=int, default=108)
    parser.add_argument("--rarest", type=int, default=60, help="how many words become phrases")
    parser.add_argument("--others", type=Path, help="a file of words to list beside them")
    parser.add_argument("--probability", type=float, default=1e-4, help="of each phrase")
    options = parser.parse_args()
    try:
        find_program("build_binary")
    except LmError as error:
        parser.error(str(error))  # now, and not when everything has been heard
    spec = ModelSpec.load(BUNDLED_MODEL)
    passes = BothPasses(spec)
    clips = hear(spec, options.manifest, options.clips, passes)
    words = rarest_words(load_model(BASE), clips, options.rarest)
    others = options.others.read_text(encoding="utf-8").split() if options.others else []
    listed = sorted({*words, *others})
    spoken = sum(clip.text.split().count(word) for clip in clips for word in words)
    print(f"{len(clips)} clips; {len(words)} words of theirs, {spoken} times spoken:")
    print(" ".join(words))
    report("without phrases", passes, clips, words, listed)
    with tempfile.TemporaryDirectory() as scratch:
        directory = Path(scratch)
        phrases = directory / "phrases.txt"
        phrases.write_text("".join(f"{word}\n" for word in listed), encoding="utf-8")
        recipe = Recipe(
            output=directory,
            base=BASE,
            phrases=phrases,
            phrase_probability=options.probability,
        )
        for line in build(recipe):
            print(line)
        passes = BothPasses(spec, language_model=directory / BINARY_FILE)
        report("with phrases", passes, clips, words, listed)


def rarest_words(model: NgramModel, clips: list[Clip], count: int) -> list[str]:
    """The words of the transcripts that the model does not know, then those it finds rarest."""
    log10 = {
        word: model.levels[0].log10[model.ids[word]] if word in model.ids else -np.inf
        for clip in clips
        for word in clip.text.split()
    }
    return sorted(log10, key=lambda word: (log10[word], word))[:count]


def report(
    name: str, passes: BothPasses, clips: list[Clip], words: list[str], listed: list[str]
) -> None:
    """Prints a line for either pass, as a decoder process with this language model would hear."""
    found = [passes.decode(clip.log_probs, clip.heard) for clip in clips]
    kinds = {"first pass": [f.first_pass for f in found], "finals": [f.final for f in found]}
    for kind, texts in kinds.items():
        recognised = made_up = 0
        for text, clip in zip(texts, clips, strict=True):
            heard, said = Counter(text.split()), Counter(clip.text.split())
            recognised += sum(min(heard[word], said[word]) for word in words)
            made_up += sum(max(heard[word] - said[word], 0) for word in listed)
        errors = count_word_errors((c.text, text) for c, text in zip(clips, texts, strict=True))
        print(
            f"{name + ', ' + kind:<28} recognised {recognised:3}, made up {made_up:3}, "
            f"word error rate {100 * (errors.rate or 0):.2f}% ({errors.errors} of {errors.words})",
            flush=True,
        )


def hear(spec: ModelSpec, manifest: Path, count: int, passes: BothPasses) -> list[Clip]:
    """Clips through the bundled acoustic model and the second pass."""
    found = []
    for clip in spoken_clips(manifest, spec, count):
        heard = passes.hear(clip.samples, clip.log_probs).heard
        found.append(Clip(to_spoken(clip.text.lower()), clip.log_probs, heard))
    return found


if __name__ == "__main__":
    main()
