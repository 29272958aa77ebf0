"""Section 4: streams of some utterances with pauses between them, sent in real time.

Measures what needs the clock: when a final comes after the last word, and how long a word is
spoken before a message calls it stable. A stream is utterances of one speaker where the manifest
names speakers; pauses are faint noise, random from 0.8 to 2 s, seeded.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from bench.eval.alignment import Aligner
from bench.eval.audio import WIDE_HZ, Samples, read_samples
from bench.eval.endings import Endings
from bench.eval.manifest import Clip
from bench.eval.progress import say
from bench.eval.stability import Ledger
from bench.eval.streaming import hear
from bench.eval.word_times import SpokenWord

UTTERANCES: Final = 6
PAUSE_S: Final = (0.8, 2.0)
PAUSE_LEVEL: Final = 10.0


@dataclass(frozen=True, slots=True)
class Stream:
    """16 kHz samples, and the words of each utterance in milliseconds of the stream."""

    samples: Samples
    utterances: list[list[SpokenWord]]


def realtime(url: str, clips: Sequence[Clip], streams: int, aligner: Aligner) -> dict[str, Any]:
    """Sends so many streams at once; endings and stable words, as JSON holds them."""
    rng = np.random.default_rng(4)
    played = [
        stream
        for number in range(streams)
        if (stream := make_stream(of_one_speaker(clips, number), aligner, rng)).utterances
    ]
    longest_s = max((len(stream.samples) / WIDE_HZ for stream in played), default=0.0)
    say(f"{len(played)} streams in real time: {longest_s:.0f} s")

    async def play() -> list[Any]:
        return await asyncio.gather(
            *(hear(url, stream.samples, WIDE_HZ, in_real_time=True) for stream in played)
        )

    endings, ledger = Endings(), Ledger()
    for stream, messages in zip(played, asyncio.run(play()), strict=True):
        endings.enter(stream.utterances, messages)
        ledger.enter(messages)
    return {
        "streams": len(played),
        "endings": endings.as_json(),
        "stable_words": ledger.as_json(),
    }


def make_stream(clips: Sequence[Clip], aligner: Aligner, rng: np.random.Generator) -> Stream:
    """The first `UTTERANCES` clips that can be aligned, each followed by a pause."""
    parts: list[Samples] = []
    utterances: list[list[SpokenWord]] = []
    length = 0
    for clip in clips:
        samples = read_samples(clip.audio, WIDE_HZ)
        words = aligner.align(samples, clip.text)
        if words is None:
            continue
        begin_ms = length * 1000 / WIDE_HZ
        utterances.append(
            [SpokenWord(w.text, begin_ms + w.start_ms, begin_ms + w.end_ms) for w in words]
        )
        pause = rng.normal(scale=PAUSE_LEVEL, size=round(WIDE_HZ * rng.uniform(*PAUSE_S)))
        parts += [samples, np.rint(pause).astype(np.int16)]
        length += len(samples) + len(pause)
        if len(utterances) == UTTERANCES:
            break
    return Stream(np.concatenate(parts or [np.zeros(0, np.int16)]), utterances)


def of_one_speaker(clips: Sequence[Clip], number: int) -> list[Clip]:
    """The clips of the speaker whose turn it is, from another place when all have had theirs."""
    by_speaker: dict[str, list[Clip]] = defaultdict(list)
    for clip in clips:
        by_speaker[clip.speaker].append(clip)
    turn, speaker = divmod(number, len(by_speaker))
    own = by_speaker[sorted(by_speaker)[speaker]]
    begin = turn * UTTERANCES % len(own)
    return own[begin:] + own[:begin]
