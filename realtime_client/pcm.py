"""Audio from anything that holds it in memory: bytes, an array of 16-bit integers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from realtime_client.errors import AudioError

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

_BYTES: Final = frozenset("Bbc")
_INT16: Final = frozenset({"h", "<h"})


def pcm_bytes(pcm: ReadableBuffer) -> bytes:
    """16-bit little-endian mono PCM as it goes over the wire.

    Takes bytes as they are, and one-dimensional arrays of 16-bit integers (NumPy's ``int16``,
    ``array.array("h")``). Raises `AudioError` for anything else: floats or two channels would be
    transcribed as noise.
    """
    try:
        view = memoryview(pcm)
    except TypeError:
        raise AudioError(
            f"audio is bytes or an array of 16-bit integers, not {type(pcm).__name__}"
        ) from None
    if view.ndim != 1:
        raise AudioError(f"audio is mono, one-dimensional, not of shape {view.shape}")
    if view.format not in _BYTES | _INT16:
        raise AudioError(
            f"audio is 16-bit integers (format h), not format {view.format}: "
            "samples from -1 to 1 become that by (samples * 32767).astype('int16')"
        )
    return view.tobytes()
