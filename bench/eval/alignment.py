"""When the words of a clip are said: a forced alignment of its transcript by PocketSphinx.

Its boundaries lie on frames of 10 ms and are right to some 30 ms on read speech. A clip with a word
that its dictionary lacks cannot be aligned and is left out of what needs times.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from bench.eval.audio import WIDE_HZ, Samples
from bench.eval.cache import Cache
from bench.eval.extras import extra
from bench.eval.word_times import SpokenWord
from tools.loadtest.wer import plain_words

FRAME_MS: Final = 10
MARGIN_MS: Final = 500
"""Faint noise around the clip, lest its first and last word be drawn to its ends."""
MARGIN_LEVEL: Final = 3.0


class Aligner:
    """One decoder, made when the first clip is not in the cache."""

    def __init__(self, cache: Cache) -> None:
        self._cache = cache
        self._decoder: Any = None
        self._initial_mean = ""
        rng = np.random.default_rng(0)
        self._margin: Samples = np.rint(
            rng.normal(scale=MARGIN_LEVEL, size=MARGIN_MS * WIDE_HZ // 1000)
        ).astype(np.int16)

    def align(self, samples: Samples, text: str) -> list[SpokenWord] | None:
        """The words of ``text`` in 16 kHz ``samples``, None if they cannot be aligned."""
        words = plain_words(text)
        key = ("alignment", " ".join(words), samples.tobytes())
        found = self._cache.find(*key)
        if found is None:
            found = self._times(samples, words)
            self._cache.keep(found, *key)
        times = zip(words, found, strict=True) if found else ()
        return [SpokenWord(word, *time) for word, time in times] or None

    def _times(self, samples: Samples, words: list[str]) -> list[tuple[int, int]]:
        """Start and end of each word in milliseconds; none if they cannot be aligned."""
        if self._decoder is None:
            self._decoder = extra("pocketsphinx").Decoder(
                samprate=WIDE_HZ, lm=None, loglevel="FATAL"
            )
            self._initial_mean = self._decoder.get_cmn(False)
        decoder = self._decoder
        if not words or any(decoder.lookup_word(word) is None for word in words):
            return []
        decoder.set_cmn(self._initial_mean)
        decoder.set_align_text(" ".join(words))
        decoder.start_utt()
        padded = np.concatenate([self._margin, samples, self._margin])
        decoder.process_raw(padded.tobytes(), full_utt=True)
        decoder.end_utt()
        times = [
            (
                max(0, unit.start_frame * FRAME_MS - MARGIN_MS),
                max(0, (unit.end_frame + 1) * FRAME_MS - MARGIN_MS),
            )
            for unit in decoder.seg() or []
            if not unit.word.startswith(("<", "["))
        ]
        return times if len(times) == len(words) else []
