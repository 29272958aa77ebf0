"""The same for programs without asyncio: every call waits for its result.

There is one implementation of the protocol's manners, `Recogniser`; here it runs on an event loop
in a thread of its own. Calls may come from several threads: one may send while another iterates.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Coroutine, Iterable
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar, Unpack

from realtime_client.messages import Hypothesis
from realtime_client.recogniser import Recogniser
from realtime_client.settings import Options
from realtime_client.transcribing import transcribe
from realtime_client.transcript import Transcript

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

_T = TypeVar("_T")


def transcribe_file(
    url: str,
    audio: str | os.PathLike[str] | ReadableBuffer | Iterable[ReadableBuffer],
    *,
    on_progress: Callable[[Hypothesis], None] | None = None,
    **options: Unpack[Options],
) -> Transcript:
    """`transcribe`, waiting: the path of a WAV file, or PCM in memory or in pieces.

    ``on_progress`` is called in another thread.
    """
    with _Loop() as loop:
        return loop.run(transcribe(url, audio, on_progress=on_progress, **options))


class BlockingRecogniser:
    """`Recogniser`, waiting: ``with BlockingRecogniser("ws://localhost:4444") as recogniser:``.

    Iterating waits for the next hypothesis; `received` takes those that are there, which is what a
    program with one thread wants between two calls of `send`. Everything else, losses and
    reconnecting included, is as `Recogniser` says.
    """

    def __init__(self, url: str, **options: Unpack[Options]) -> None:
        self._recogniser = Recogniser(url, **options)
        self._loop = _Loop()

    def __enter__(self) -> Self:
        self._loop.__enter__()
        try:
            self._loop.run(self._recogniser.__aenter__())
        except BaseException:
            self._loop.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self,
        type_: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            self._loop.run(self._recogniser.__aexit__(type_, error, trace))
        finally:
            self._loop.__exit__(type_, error, trace)

    def send(self, pcm: ReadableBuffer) -> None:
        """See `Recogniser.send`."""
        self._loop.run(self._recogniser.send(pcm))

    def done(self) -> None:
        """See `Recogniser.done`."""
        self._loop.run(self._recogniser.done())

    def finish(self) -> None:
        """See `Recogniser.finish`."""
        self._loop.run(self._recogniser.finish())

    def received(self) -> list[Hypothesis]:
        """See `Recogniser.received`."""
        return self._loop.run(self._received())

    @property
    def finals_until_ms(self) -> int:
        """How far finals have come, in milliseconds of the stream."""
        return self._recogniser.finals_until_ms

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Hypothesis:
        hypothesis = self._loop.run(self._next())
        if hypothesis is None:
            raise StopIteration
        return hypothesis

    async def _received(self) -> list[Hypothesis]:
        return self._recogniser.received()

    async def _next(self) -> Hypothesis | None:
        return await anext(self._recogniser, None)


class _Loop:
    """An event loop in a thread, while a ``with`` block runs."""

    def __enter__(self) -> Self:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self,
        _type: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self.run(self._loop.shutdown_asyncgens())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def run(self, coroutine: Coroutine[Any, Any, _T]) -> _T:
        """The coroutine's result; a Ctrl-C while waiting cancels it."""
        future = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise
