"""When everything is to be sent: message sizes, due times, staggered starts and playlists.

A clip is played as a microphone would speak it. Its clock starts at `start_s`; a message of 128 ms
is due when its last sample has been spoken, and `done` is due with the last message. Due times are
computed from the start and never from the message before, so a message sent late delays no other,
and every latency that is counted from a due time includes how late the sending was.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

MESSAGE_MS: Final = 128
"""The largest message that the protocol allows: 2048 bytes at 8 kHz, 4096 at 16 kHz."""
CHUNK_CYCLE_S: Final = 0.6
"""Servers work in chunks of about this length; starts are spread over at least one of them."""
HANDSHAKE_SPACING_S: Final = 0.01
"""Many streams are spread over more: so many handshakes a second are no part of the test."""
SHORTEST_EXCERPT_S: Final = 1.0
"""A playlist does not end in a shorter scrap of a clip."""


@dataclass(frozen=True, slots=True)
class Message:
    """Samples `first` up to, not including, `end` of a clip, and when they are to be sent."""

    first: int
    end: int
    due_s: float


@dataclass(frozen=True, slots=True)
class ClipSchedule:
    """The due times of a clip of `samples` (at least 1) at `rate_hz`, spoken from `start_s` on."""

    start_s: float
    samples: int
    rate_hz: int

    def messages(self) -> Iterator[Message]:
        """The clip in messages: all of 128 ms but the last, which is as long as what is left."""
        size = message_samples(self.rate_hz)
        for first in range(0, self.samples, size):
            end = min(first + size, self.samples)
            yield Message(first, end, self._spoken_s(end))

    def due_s(self, sample_end: int) -> float:
        """When the message is due that holds the sample before `sample_end`.

        Positions outside the clip count as its first or its last sample.
        """
        size = message_samples(self.rate_hz)
        inside = min(max(sample_end, 1), self.samples)
        return self._spoken_s(min(-(-inside // size) * size, self.samples))

    @property
    def done_due_s(self) -> float:
        """When `done` is due: right after the last sample."""
        return self._spoken_s(self.samples)

    def _spoken_s(self, samples: int) -> float:
        return self.start_s + samples / self.rate_hz


def message_samples(rate_hz: int) -> int:
    """Samples in a full message."""
    return rate_hz * MESSAGE_MS // 1000


def staggered_starts(streams: int, rng: np.random.Generator) -> list[float]:
    """Seconds after the run's start at which each stream connects.

    One stream falls into each of `streams` equal parts of the window, at a random place in a random
    part: no two patterns march in step, and no accident bunches them up.
    """
    window_s = max(CHUNK_CYCLE_S, streams * HANDSHAKE_SPACING_S)
    places = (rng.permutation(streams) + rng.random(streams)) / streams
    return [float(place) * window_s for place in places]


@dataclass(frozen=True, slots=True)
class Excerpt:
    """The first `samples` samples of clip number `clip`."""

    clip: int
    samples: int


def playlist(
    lengths: Sequence[int], duration_s: float, rate_hz: int, rng: np.random.Generator
) -> list[Excerpt]:
    """What one stream plays: `duration_s` of audio, every clip once before any comes again.

    `lengths` are the clips' samples, each at least 1. The last clip is cut to fit, or left out
    where it would be cut to less than SHORTEST_EXCERPT_S; there is always a first one.
    """
    left = max(1, round(duration_s * rate_hz))
    excerpts: list[Excerpt] = []
    while True:
        for clip in rng.permutation(len(lengths)).tolist():
            samples = min(lengths[clip], left)
            is_scrap = samples < min(lengths[clip], SHORTEST_EXCERPT_S * rate_hz)
            if is_scrap and excerpts:
                return excerpts
            excerpts.append(Excerpt(clip, samples))
            left -= samples
            if left == 0:
                return excerpts
