"""Words that are said alone, as an answer is: cut out of clips, each between two pauses.

    python -m bench.lone_words MANIFEST.jsonl [--clips 216] [--show]

What stands around a word in a sentence helps both passes, and nothing does that here. Up to two
words of a clip, of two letters and 200 ms at least, where CTC aligns them; half of a neighbour's
sound may be left at an edge, so not all can be heard right. For each kind of text the share that is
right and the share that is empty: nothing is what a word must never become. Beside them bursts of
noise, beeps, babble and reversed speech, of which as few words as possible should come.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import torch

from bench.both_passes import BothPasses
from bench.clip_log_probs import SpokenClip, log_probs_of, make_stepper, spoken_clips
from bench.eval import noise
from bench.eval.audio import WIDE_HZ, Samples
from gpu_worker.decoding import Aligner
from gpu_worker.stepper import EagerStepper
from models import BUNDLED_MODEL
from models.spec import ModelSpec

A_CLIP: Final = 2
LEAST_LETTERS: Final = 2
LEAST_MS: Final = 200
MARGIN_MS: Final = 70
BEFORE_MS: Final = 600
AFTER_MS: Final = 700
FAINT_RMS: Final = 8.0
FADE: Final = 80
"""Samples at both edges of what is cut, lest the cut click."""


class LoneWord(NamedTuple):
    """What is said, "" for noise, and its sound between two pauses."""

    kind: str
    said: str
    samples: Samples


class Heard(NamedTuple):
    """The texts that a lone word has become."""

    word: LoneWord
    first_pass: str
    second_pass: str
    final: str


def main() -> None:
    """Prints a line for each kind of sound."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("manifest", type=Path)
    parser.add_argument("--clips", type=int, default=216)
    parser.add_argument("--model", type=Path, default=BUNDLED_MODEL)
    parser.add_argument("--second-pass", type=Path, default=None)
    parser.add_argument("--noises", type=int, default=150, help="of each kind")
    parser.add_argument("--show", action="store_true", help="every word and what it became")
    options = parser.parse_args()
    torch.set_num_threads(1)
    spec = ModelSpec.load(options.model)
    passes = BothPasses(spec, options.second_pass)
    clips = list(spoken_clips(options.manifest, spec, options.clips))
    stepper = make_stepper(spec)
    heard = hear(lone_words(clips, passes.aligner, spec), passes, stepper, spec)
    for one in heard if options.show else ():
        print(f"{one.word.said:16} {one.first_pass!r:20} {one.second_pass!r:20} {one.final!r}")
    for name in ("first_pass", "second_pass", "final"):
        texts = [getattr(one, name) for one in heard]
        right = sum(text == one.word.said for text, one in zip(texts, heard, strict=True))
        empty = sum(not text for text in texts)
        print(f"{len(heard)} words, {name:11}: {right} right, {empty} empty")
    noises = hear(bursts(clips, options.noises), passes, stepper, spec)
    for kind in dict.fromkeys(one.word.kind for one in noises):
        texts = [one.final for one in noises if one.word.kind == kind]
        words = sum(len(text.split()) for text in texts)
        print(f"{len(texts)} of {kind}: {words} words in {sum(map(bool, texts))} of them")


def lone_words(
    clips: Sequence[SpokenClip], aligner: Aligner, spec: ModelSpec
) -> Iterator[LoneWord]:
    """Words of the clips' transcripts, the same ones each time."""
    rng = np.random.default_rng(5)
    rate_hz, frame = spec.sample_rate_hz, spec.frame_samples
    margin = rate_hz * MARGIN_MS // 1000
    for clip in clips:
        spans = [
            (word.text, word.start_frame * frame, word.end_frame * frame)
            for word in aligner.align(clip.log_probs, clip.text)
        ]
        long_enough = [
            place
            for place, (text, start, stop) in enumerate(spans)
            if len(text) >= LEAST_LETTERS and (stop - start) * 1000 > LEAST_MS * rate_hz
        ]
        count = min(A_CLIP, len(long_enough))
        for place in rng.choice(long_enough, count, replace=False) if count else ():
            text, start, stop = spans[place]
            sound = clip.samples[max(0, start - margin) : stop + margin]
            yield LoneWord("words", text, between_pauses(sound, rate_hz, rng))


def bursts(clips: Sequence[SpokenClip], count: int) -> Iterator[LoneWord]:
    """``count`` of each kind of sound in which no word is said, of 0.2 to 2 s, at 16 kHz."""
    rng = np.random.default_rng(6)
    voices = [clip.samples for clip in clips[:40]]
    for _ in range(count):
        length = int(rng.integers(3_200, 32_000))
        time_s = np.arange(length) / WIDE_HZ
        voice = voices[int(rng.integers(len(voices)))]
        begin = int(rng.integers(max(1, len(voice) - length)))
        bang = np.exp(-time_s * rng.uniform(5, 60)) * rng.normal(size=length)
        beep = np.sin(2 * np.pi * rng.uniform(300, 1500) * time_s)
        for kind, sound in (
            ("white noise", noise.white_noise(length, rng)),
            ("music", noise.music(length, rng)),
            ("bangs", (5_000 * bang).clip(-32_768, 32_767).astype(np.int16)),
            ("beeps", (3_000 * beep).astype(np.int16)),
            ("babble", noise.babble(length, voices, rng)),
            ("reversed speech", noise.reversed_speech(voice[begin : begin + length])),
        ):
            yield LoneWord(kind, "", between_pauses(sound, WIDE_HZ, rng))


def hear(
    words: Iterator[LoneWord], passes: BothPasses, stepper: EagerStepper, spec: ModelSpec
) -> list[Heard]:
    """Each as a segment of its own."""
    heard = []
    for word in words:
        found = passes.hear(word.samples, log_probs_of(word.samples, stepper, spec))
        second = found.heard[0].text if found.heard else ""
        heard.append(Heard(word, found.first_pass, second, found.final))
    return heard


def between_pauses(sound: Samples, rate_hz: int, rng: np.random.Generator) -> Samples:
    """The sound with faint noise before and behind it."""
    before, after = (rate_hz * time_ms // 1000 for time_ms in (BEFORE_MS, AFTER_MS))
    mixed = rng.normal(0, FAINT_RMS, before + len(sound) + after)
    fade = min(FADE, len(sound))
    edges = np.ones(len(sound))
    edges[:fade] *= np.linspace(0, 1, fade)
    edges[len(sound) - fade :] *= np.linspace(1, 0, fade)
    mixed[before : before + len(sound)] += sound * edges
    whole: Samples = np.rint(mixed).clip(-32_768, 32_767).astype(np.int16)
    return whole


if __name__ == "__main__":
    main()
