"""When an utterance is over: decided from its audio and log-probabilities alone, never a clock.

A frame is silent when its likeliest token is the blank or the space. An utterance ends after a
trailing silence once something was spoken; after a longer silence if nothing was; with a shorter
one when it grows long; and at its maximum length in any case. The rules see one frame after the
other, so that any split of the audio, and any replay, ends it at the same frame.

`EndpointTimes` are the settings, `EndpointRules` the same in frames of a model. docs/ENDPOINTING.md
has the measurements behind the defaults.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from gpu_worker.quiet import AUDIBLE_DIFFERENCE_RMS
from models.spec import ModelSpec
from shm.layout import MAX_SEGMENT_S

TRAILING_SILENCE_MS: Final = 600
NOTHING_SPOKEN_MS: Final = 5_000
LONG_AFTER_MS: Final = 14_000
LONG_TRAILING_SILENCE_MS: Final = 320
ONSET_MARGIN_MS: Final = 320
"""The next utterance begins this long before the end of the silence, lest its onset be cut."""


@dataclass(frozen=True, slots=True)
class EndpointTimes:
    """What an operator may set, in milliseconds.

    Attributes:
        trailing_silence_ms: silence that ends an utterance in which something was spoken.
        nothing_spoken_ms: silence that ends one in which nothing was.

    Raises:
        ValueError: a time is out of range; the message says what would be right.
    """

    trailing_silence_ms: int = TRAILING_SILENCE_MS
    nothing_spoken_ms: int = NOTHING_SPOKEN_MS

    def __post_init__(self) -> None:
        for name, low, high in (
            ("trailing_silence_ms", 200, 5_000),
            ("nothing_spoken_ms", 1_000, MAX_SEGMENT_S * 1000),
        ):
            value = getattr(self, name)
            if not low <= value <= high:
                raise ValueError(f"{name} must be from {low} to {high}, not {value}")


@dataclass(frozen=True, slots=True)
class EndpointRules:
    """The rules in frames of the model.

    ``early`` lets the audio's own quiet bring an end forward, see `gpu_worker.quiet`;
    ``audible_difference_rms`` is what a segment must have reached for it to do so (see `quiet`).
    """

    silent_tokens: tuple[int, ...]
    trailing_silence: int
    nothing_spoken: int
    long_after: int
    long_trailing_silence: int
    onset_margin: int
    max_frames: int
    early: bool
    audible_difference_rms: int

    @staticmethod
    def of_model(
        spec: ModelSpec, times: EndpointTimes | None = None, *, early: bool = True
    ) -> EndpointRules:
        """The rules for a model; without ``times`` with the default ones.

        A stateful model is never asked early: it cannot take back a chunk that it has heard.
        """
        times = times or EndpointTimes()

        def frames(milliseconds: int) -> int:
            return max(1, spec.frames_within(milliseconds))

        silent = [spec.blank, *(i for i, token in enumerate(spec.vocabulary) if token == " ")]
        return EndpointRules(
            silent_tokens=tuple(silent),
            trailing_silence=frames(times.trailing_silence_ms),
            nothing_spoken=frames(times.nothing_spoken_ms),
            long_after=frames(LONG_AFTER_MS),
            long_trailing_silence=frames(min(LONG_TRAILING_SILENCE_MS, times.trailing_silence_ms)),
            onset_margin=frames(ONSET_MARGIN_MS),
            max_frames=frames(MAX_SEGMENT_S * 1000),
            early=early and not spec.stateful,
            audible_difference_rms=AUDIBLE_DIFFERENCE_RMS,
        )


class Endpointer:
    """The state of one utterance: its length, the silence at its end, whether anything was said."""

    __slots__ = ("_frames", "_rules", "_silence", "_spoken")

    def __init__(self, rules: EndpointRules) -> None:
        self._rules = rules
        self.reset()

    def reset(self) -> None:
        """A new utterance begins."""
        self._frames = 0
        self._silence = 0
        self._spoken = False

    def copy(self) -> Endpointer:
        """Another in the same state, to try what frames would do."""
        other = Endpointer(self._rules)
        other._frames, other._silence, other._spoken = self._frames, self._silence, self._spoken
        return other

    def end_in(self, speech: NDArray[np.bool_], *, at_silence: bool = True) -> int | None:
        """Takes the next frames, (n,) true where something is spoken.

        Without ``at_silence`` only the maximum length ends it.

        Returns:
            How many of them belong to the utterance if it ends among them, else None.
        """
        for count, spoken in enumerate(speech.tolist(), start=1):
            self._frames += 1
            self._silence = 0 if spoken else self._silence + 1
            self._spoken = self._spoken or spoken
            if self.is_full or (at_silence and self._silent_enough()):
                return count
        return None

    @property
    def is_full(self) -> bool:
        """Whether the utterance has its maximum length."""
        return self._frames >= self._rules.max_frames

    @property
    def ends_at(self) -> int | None:
        """The frame at which it ends if it stays silent; None while it is not silent after speech.

        Counted from the utterance's start, exclusive.
        """
        if not self._spoken or self._silence == 0:
            return None
        return self._frames - self._silence + self._silence_needed()

    @property
    def silent_since(self) -> int:
        """The frame after the last one in which something is spoken, from the utterance's start."""
        return self._frames - self._silence

    def frames_given_back(self) -> int:
        """Frames of silence before the end that the next utterance hears again at its start."""
        return min(self._rules.onset_margin, self._silence // 2)

    def speech(self, log_probs: NDArray[np.float32]) -> NDArray[np.bool_]:
        """(frames, vocabulary) -> (frames,), true where the likeliest token is not silence."""
        is_spoken = np.ones(log_probs.shape[1], np.bool_)
        is_spoken[list(self._rules.silent_tokens)] = False
        spoken: NDArray[np.bool_] = is_spoken[log_probs.argmax(1)]
        return spoken

    def _silent_enough(self) -> bool:
        return self._silence >= self._silence_needed()

    def _silence_needed(self) -> int:
        rules = self._rules
        if not self._spoken:
            return rules.nothing_spoken
        long = self._frames >= rules.long_after
        return rules.long_trailing_silence if long else rules.trailing_silence
