"""A whole recording, or a stream that somebody else produces, in one call."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterable, Callable, Iterable
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, TypeAlias, TypeGuard, Unpack

from realtime_client.concurrency import together
from realtime_client.errors import AudioError
from realtime_client.messages import Hypothesis
from realtime_client.recogniser import Recogniser
from realtime_client.settings import Options
from realtime_client.transcript import Transcript
from realtime_client.wav import open_wav

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

    _InMemory: TypeAlias = ReadableBuffer
    _InPieces: TypeAlias = Iterable[ReadableBuffer] | AsyncIterable[ReadableBuffer]


async def transcribe(
    url: str,
    audio: str | os.PathLike[str] | _InMemory | _InPieces,
    *,
    on_progress: Callable[[Hypothesis], None] | None = None,
    **options: Unpack[Options],
) -> Transcript:
    """Sends all of ``audio`` and returns its transcript.

    ``audio`` is the path of a WAV file (its rate is taken from it), PCM in memory, or PCM in pieces
    of any length; an iterator of pieces may wait for them, as for a microphone, and holds up
    nothing else. ``on_progress`` is called with every partial and final as it comes; what it raises
    ends the call. The options and errors are those of `Recogniser`.
    """
    with ExitStack() as files:
        if isinstance(audio, str | os.PathLike):
            wav = files.enter_context(open_wav(audio))
            if options.setdefault("sample_rate_hz", wav.sample_rate_hz) != wav.sample_rate_hz:
                raise AudioError(
                    f"{os.fspath(audio)} has {wav.sample_rate_hz} Hz, not "
                    f"{options['sample_rate_hz']}: leave sample_rate_hz out, the file says it"
                )
            audio = wav.blocks
        finals: list[Hypothesis] = []

        async def collect() -> None:
            async for hypothesis in recogniser:
                if on_progress is not None:
                    on_progress(hypothesis)
                if hypothesis.is_final:
                    finals.append(hypothesis)

        async with Recogniser(url, **options) as recogniser:
            await together(_send(recogniser, audio), collect())
        return Transcript(tuple(finals))


async def _send(recogniser: Recogniser, audio: _InMemory | _InPieces) -> None:
    if _is_in_memory(audio):
        await recogniser.send(audio)
    elif isinstance(audio, AsyncIterable):
        async for piece in audio:
            await recogniser.send(piece)
    elif isinstance(audio, Iterable):
        pieces = iter(audio)
        while (next_piece := await asyncio.to_thread(lambda: next(pieces, None))) is not None:
            await recogniser.send(next_piece)
    else:
        raise AudioError(f"audio is a path, PCM in memory or in pieces, not {type(audio).__name__}")
    await recogniser.finish()


def _is_in_memory(audio: Any) -> TypeGuard[ReadableBuffer]:
    try:
        memoryview(audio)
    except TypeError:
        return False
    return True
