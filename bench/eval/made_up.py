"""Section 5: what comes out when nothing English is said."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from bench.eval import noise
from bench.eval.audio import WIDE_HZ, Samples, read_samples
from bench.eval.manifest import Clip, spread
from bench.eval.messages import words_of
from bench.eval.progress import progress
from bench.eval.streaming import hear
from tools.loadtest.wer import plain_words

MOST_CLIPS: Final = 80
"""Clips that the kinds made of speech are drawn from."""


def made_up_words(url: str, clips: Sequence[Clip], seconds: float) -> list[dict[str, Any]]:
    """Words that came out of each kind of audio, per minute, and how sure the engine was.

    `clipped` does say something: its row also has the words that were said.
    """
    chosen = spread(clips, MOST_CLIPS)
    audio = recordings(chosen, round(seconds * WIDE_HZ))
    rows = []
    for kind, samples, said in progress(audio, "audio without English words"):
        words = words_of(asyncio.run(hear(url, samples, WIDE_HZ)))
        minutes = len(samples) / WIDE_HZ / 60
        confidence = sum(word.confidence for word in words) / len(words) if words else None
        rows.append(
            {
                "kind": kind,
                "minutes": minutes,
                "words": len(words),
                "words_per_minute": len(words) / minutes,
                "confidence": confidence,
                "words_said": said,
            }
        )
    return rows


def recordings(clips: Sequence[Clip], count: int) -> list[tuple[str, Samples, int]]:
    """Kind, samples and how many words are really said in them."""
    voices = [read_samples(clip.audio, WIDE_HZ) for clip in clips]
    speech: list[Samples] = []
    said = 0
    for clip, voice in zip(clips, voices, strict=True):
        if sum(map(len, speech)) + len(voice) > count and speech:
            break
        speech.append(voice)
        said += len(plain_words(clip.text))
    spoken = np.concatenate(speech)
    rng = np.random.default_rng(5)
    return [
        ("silence", noise.silence(count), 0),
        ("white noise", noise.white_noise(count, rng), 0),
        ("music", noise.music(count, rng), 0),
        ("babble", noise.babble(count, voices, rng), 0),
        ("speech played backwards", noise.reversed_speech(spoken), 0),
        ("clipped speech", noise.clipped(spoken), said),
    ]
