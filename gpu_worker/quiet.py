"""Whether the room has gone quiet: an ear on the audio itself, ahead of the acoustic model.

The model speaks once per chunk and after its look-ahead; this looks at every hop of 10 ms as it
arrives, so that the end of an utterance can be asked about early. A hop is quiet when the audio of
the last 50 ms is far below the loudest of the segment and not much above its softest. Noise that
never lets it go quiet leaves the decision to the model alone.

A function of the segment's samples: all of it is integer arithmetic over whole hops, counted from
the segment's start, so any split of the same audio gives the same answer. The memory of a segment
is a dozen numbers. Levels are those of the samples' first difference, which takes away hum and
rumble and brings out the hiss of an "s" at a word's end.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from shm.audio_ring import Samples

HOP_MS: Final = 10
SMOOTHED_HOPS: Final = 5
BELOW_LOUDEST: Final = 25
"""14 dB in energy: nearer to the loudest, nothing is quiet."""
WELL_BELOW_LOUDEST: Final = 1_000
"""30 dB: as far below the loudest, everything is."""
ABOVE_SOFTEST: Final = 4
"""6 dB: so near to the softest, it is where it is below the loudest as well."""
AUDIBLE_DIFFERENCE_RMS: Final = 8
"""Of 32768, of the samples' first difference: that of white noise with an RMS of 6, or of a tone of
300 Hz with one of 68. A segment that was never louder holds nothing that could end."""
_NEVER_SOFT: Final = int(np.iinfo(np.int64).max)


class QuietDetector:
    """How long a segment has been quiet, hop by hop."""

    __slots__ = ("_audible", "_hops", "_last", "_loudest", "_quiet", "_softest", "_tail", "hop")

    def __init__(
        self, sample_rate_hz: int, audible_difference_rms: int = AUDIBLE_DIFFERENCE_RMS
    ) -> None:
        self.hop: Final = max(1, sample_rate_hz * HOP_MS // 1000)
        self._audible = audible_difference_rms**2 * self.hop * SMOOTHED_HOPS
        self.reset()

    def reset(self) -> None:
        """A new segment begins."""
        self._hops = 0
        self._quiet = 0
        self._loudest = 0
        self._softest = _NEVER_SOFT
        self._last = 0
        self._tail = np.zeros(SMOOTHED_HOPS - 1, np.int64)

    @property
    def heard(self) -> int:
        """Samples of the segment taken so far: whole hops."""
        return self._hops * self.hop

    @property
    def since(self) -> int:
        """The sample of the segment from which on it is quiet; `heard` if it is not."""
        return (self._hops - self._quiet) * self.hop

    @property
    def lasted(self) -> int:
        """For how many hops it has been quiet."""
        return self._quiet

    def listen(self, samples: Samples, enough: int) -> bool:
        """Takes the next ``samples``, whole hops of them, up to where it was quiet for long enough.

        Args:
            samples: (n,) int16, n a multiple of `hop`, going on at `heard`.
            enough: hops of quiet to stop at, >= 1. Quiet that has lasted longer already does not
                stop it.

        Returns:
            Whether it has just become ``enough``; then `heard` is where, and the samples after it
            are to be given again.
        """
        assert samples.shape[0] % self.hop == 0, "audio is heard in whole hops"
        if samples.shape[0] == 0:
            return False
        energies = self._energies(samples)
        levels, softest, loudest = self._levels(energies)
        # Until the first smoothed hop, softest is the largest of integers.
        near_softest = np.minimum(softest, loudest) * ABOVE_SOFTEST
        threshold = np.maximum(near_softest, loudest // WELL_BELOW_LOUDEST)
        threshold = np.minimum(threshold, loudest // BELOW_LOUDEST)
        loud = (levels > threshold) | (loudest < self._audible)
        lasted = self._lasted(loud)
        found = np.flatnonzero(lasted == enough)
        taken = int(found[0]) + 1 if found.shape[0] else lasted.shape[0]
        self._hops += taken
        self._quiet = int(lasted[taken - 1])
        self._loudest = int(loudest[taken - 1])
        self._softest = int(softest[taken - 1])
        self._last = int(samples[taken * self.hop - 1])
        self._tail = np.concatenate([self._tail, energies[:taken]])[-(SMOOTHED_HOPS - 1) :]
        return found.shape[0] > 0

    def _energies(self, samples: Samples) -> NDArray[np.int64]:
        """(n,) int16 -> (n / hop,) sums of the squared first differences."""
        values = np.empty(samples.shape[0] + 1, np.int64)
        values[0] = self._last if self._hops else samples[0]
        values[1:] = samples
        differences = values[1:] - values[:-1]
        energies: NDArray[np.int64] = np.square(differences).reshape(-1, self.hop).sum(1)
        return energies

    def _levels(
        self, energies: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """Each hop's energy with those before it, and the softest and loudest of these so far.

        The segment's first hops, not yet smoothed, are as loud as they are and soft in no case.
        """
        sums = np.zeros(energies.shape[0] + SMOOTHED_HOPS, np.int64)
        np.cumsum(np.concatenate([self._tail, energies]), out=sums[1:])
        levels = sums[SMOOTHED_HOPS:] - sums[:-SMOOTHED_HOPS]
        smoothed = levels.copy()
        smoothed[: max(0, SMOOTHED_HOPS - 1 - self._hops)] = _NEVER_SOFT
        softest = np.minimum(np.minimum.accumulate(smoothed), self._softest)
        loudest = np.maximum(np.maximum.accumulate(levels), self._loudest)
        return levels, softest, loudest

    def _lasted(self, loud: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Hops of quiet up to and with each hop."""
        numbers = np.arange(1, loud.shape[0] + 1)
        last_loud = np.maximum.accumulate(np.where(loud, numbers, 0))
        return np.where(last_loud > 0, numbers - last_loud, numbers + self._quiet)
