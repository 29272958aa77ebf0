"""What a list of phrases does for words that the language model lacks: recognised before and after.

    python -m bench.phrases [--manifest FILE --clips 100] [--probability 0.0001]

takes the stored utterances of tests/data (or the clips of a manifest), picks the words of their
transcripts that the bundled language model does not know or finds rarest, builds a model with those
as phrases, as `realtime-engine lm build --base --phrases` does, and decodes with either. A word
counts as recognised where the text of its utterance holds it as often as the transcript does; a
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

from bench.clip_log_probs import spoken_clips
from bench.decoder import LOG_PROBS, VOCABULARY, load_clips
from gpu_worker.decoder import ALPHA, BETA
from gpu_worker.decoding import BeamSearch, LanguageModel
from models import BUNDLED_MODEL
from models.spec import ModelSpec
from spoken_form import to_spoken
from tools.lm.build import BINARY_FILE, Recipe, build, load_model
from tools.lm.ngrams import NgramModel
from tools.loadtest.wer import WordErrors, count_word_errors

BEAM_SIZE: Final = 100
BASE: Final = BUNDLED_MODEL / BINARY_FILE


class Clip(NamedTuple):
    """What was said, in spoken form, and (frames, vocabulary) of what was heard."""

    text: str
    log_probs: NDArray[np.float32]


class Outcome(NamedTuple):
    """Rare words in the right place, those made up elsewhere, and errors over all words."""

    recognised: int
    made_up: int
    errors: WordErrors


def main() -> None:
    """Prints the rare words and, without and with them as phrases, how many are recognised."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--manifest", type=Path, help="JSON lines with audio, text and speaker")
    parser.add_argument("--clips", type=int, default=110, help="how many utterances")
    parser.add_argument("--rarest", type=int, default=60, help="how many words become phrases")
    parser.add_argument("--probability", type=float, default=1e-4, help="of each phrase")
    options = parser.parse_args()
    clips = from_manifest(options.manifest, options.clips) if options.manifest else stored()
    clips = clips[: options.clips]
    words = rarest_words(load_model(BASE), clips, options.rarest)
    spoken = sum(clip.text.split().count(word) for clip in clips for word in words)
    print(f"{len(clips)} utterances; {len(words)} words as phrases, {spoken} times spoken:")
    print(" ".join(words))
    report("without phrases", decode(BASE, clips), clips, words)
    with tempfile.TemporaryDirectory() as scratch:
        directory = Path(scratch)
        listed = directory / "phrases.txt"
        listed.write_text("".join(f"{word}\n" for word in words), encoding="utf-8")
        recipe = Recipe(
            output=directory,
            base=BASE,
            phrases=listed,
            phrase_probability=options.probability,
        )
        for line in build(recipe):
            print(line)
        report("with phrases", decode(directory / BINARY_FILE, clips), clips, words)


def rarest_words(model: NgramModel, clips: list[Clip], count: int) -> list[str]:
    """The words of the transcripts that the model does not know, then those it finds rarest."""
    log10 = {
        word: model.levels[0].log10[model.ids[word]] if word in model.ids else -np.inf
        for clip in clips
        for word in clip.text.split()
    }
    return sorted(log10, key=lambda word: (log10[word], word))[:count]


def decode(path: Path, clips: list[Clip]) -> list[str]:
    """The texts that a decoder process would give."""
    search = BeamSearch(VOCABULARY, BEAM_SIZE, LanguageModel.load(path, ALPHA, BETA))
    texts = []
    for clip in clips:
        search.reset()
        search.advance(clip.log_probs)
        texts.append(search.final().text)
    return texts


def outcome(texts: list[str], clips: list[Clip], words: list[str]) -> Outcome:
    """Compares texts with transcripts."""
    recognised = made_up = 0
    for text, clip in zip(texts, clips, strict=True):
        heard, said = Counter(text.split()), Counter(clip.text.split())
        recognised += sum(min(heard[word], said[word]) for word in words)
        made_up += sum(max(heard[word] - said[word], 0) for word in words)
    pairs = zip((clip.text for clip in clips), texts, strict=True)
    return Outcome(recognised, made_up, count_word_errors(pairs))


def report(name: str, texts: list[str], clips: list[Clip], words: list[str]) -> None:
    """Prints one line."""
    recognised, made_up, errors = outcome(texts, clips, words)
    print(
        f"{name:<16} recognised {recognised:3}, made up {made_up}, "
        f"word error rate {100 * (errors.rate or 0):.2f}% ({errors.errors} of {errors.words})",
        flush=True,
    )


def stored() -> list[Clip]:
    """The utterances of tests/data/log_probs_dev.npz."""
    with np.load(LOG_PROBS) as file:
        texts = [to_spoken(str(text).lower()) for text in file["texts"]]
    return [Clip(*pair) for pair in zip(texts, load_clips(), strict=True)]


def from_manifest(manifest: Path, count: int) -> list[Clip]:
    """Clips through the bundled acoustic model."""
    spec = ModelSpec.load(BUNDLED_MODEL)
    clips = spoken_clips(manifest, spec, count)
    return [Clip(to_spoken(clip.text.lower()), clip.log_probs) for clip in clips]


if __name__ == "__main__":
    main()
