"""Converts one connection's PCM to the sample rate of the acoustic model, as it arrives.

One `Resampler` for each connection. It holds the few milliseconds of audio that its filter still
needs the future of, and nothing else grows with the length of the stream.

soxr has two engines. The usual one works in FFT blocks and gives its output a block at a time:
from 8 to 16 kHz a sample comes out 12 to 116 ms after it went in, depending on where in its block
it fell, and up to 158 ms at other rates. The variable-rate engine convolves in the time domain and
has a small, constant delay; its ratio is left constant here. Measured with soxr 1.1.0, quality HQ,
delay in ms and processor time per 128 ms of audio:

======================  ============  =====================
rates in Hz             FFT blocks    variable-rate (used)
======================  ============  =====================
8000 to 16000           12..116       30, 132 us
11025 to 16000          10..84        22, 165 us
48000 to 16000          6..37         13, 750 us
48000 to 8000           13..158       28, 390 us
======================  ============  =====================

Both give bit-identical samples however the audio is cut into messages. The variable-rate engine's
noise and images are below -105 dB, under the floor of 16-bit audio. Upwards, 3600 of 4000 Hz pass
untouched and 3700 Hz with -1.3 dB; downwards the band is flat to 99% of its edge, what lies 4%
above the edge is gone (-120 dB), and the audio comes out 0.5 ms (to 8 kHz: 1 ms) late. python-soxr
has this engine from 1.1 on and calls it experimental; the tests hold it to cuts, lengths, level
and delay.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
import soxr
from numpy.typing import NDArray

_INT16_MIN: Final = -32768
_INT16_MAX: Final = 32767
_NO_SAMPLES: Final = np.zeros(0, np.float32)
_MEMORY_S: Final = 0.06
"""What a sample depends on lies no further from it than this."""
_GRID: Final = 500
"""Among so many input samples one falls on an output sample, at the rates that are in use."""


class Restart(NamedTuple):
    """Feed the samples from ``begin`` on, and drop the first ``surplus`` that come out."""

    begin: int
    surplus: int


class Resampler:
    """A stream of 16-bit PCM at one rate in, the same stream at another rate out.

    Deterministic: no dither. Between equal rates the samples pass through untouched.
    """

    def __init__(self, input_rate_hz: int, output_rate_hz: int) -> None:
        self._stream = (
            soxr.ResampleStream(
                input_rate_hz, output_rate_hz, 1, dtype="float32", quality="HQ", vr=True
            )
            if input_rate_hz != output_rate_hz
            else None
        )

    def feed(self, pcm: bytes) -> NDArray[np.int16]:
        """Take signed little-endian 16-bit mono samples, give what can be given already.

        ``pcm`` holds an even number of bytes. The result, shape (samples,), may be empty, and is
        read-only where the rates are equal: it is then a view of ``pcm``.
        """
        assert len(pcm) % 2 == 0, "16-bit samples fill an even number of bytes"
        samples = np.frombuffer(pcm, "<i2")
        if self._stream is None:
            return samples
        return _to_int16(self._stream.resample_chunk(samples.astype(np.float32)))

    @staticmethod
    def restart(given: int, input_rate_hz: int, output_rate_hz: int) -> Restart:
        """Where a new one has to begin to go on with a stream that has given ``given`` samples.

        The samples are then those that the first one would have given, to the last bit or two of
        rounding; at odd rates (8001 Hz) they may lie a fraction of a sample beside them.
        """
        if input_rate_hz == output_rate_hz:
            return Restart(given, 0)
        latest = given * input_rate_hz // output_rate_hz - int(_MEMORY_S * input_rate_hz)
        if latest <= 0:
            return Restart(0, given)
        later_first = np.arange(latest, max(-1, latest - _GRID - 1), -1)
        beside = later_first * output_rate_hz % input_rate_hz
        begin = int(later_first[np.argmin(np.minimum(beside, input_rate_hz - beside))])
        given_before = (2 * begin * output_rate_hz + input_rate_hz) // (2 * input_rate_hz)
        return Restart(begin, given - given_before)

    def flush(self) -> NDArray[np.int16]:
        """Give everything still held, as if silence followed, and start afresh for more audio.

        All the samples since the start number their input times the ratio of the rates, to +-1.
        """
        if self._stream is None:
            return np.zeros(0, np.int16)
        rest = _to_int16(self._stream.resample_chunk(_NO_SAMPLES, last=True))
        self._stream.clear()
        return rest


def _to_int16(samples: NDArray[np.float32]) -> NDArray[np.int16]:
    """Round to the nearest; clip, since a filter rings past full scale and would wrap around."""
    return np.clip(np.rint(samples), _INT16_MIN, _INT16_MAX).astype(np.int16)
