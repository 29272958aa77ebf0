"""An engine's language model while its files change: read again when asked, taken or left.

At the start, and whenever an operator asks and the files have changed, they are copied
(`server.language_files`), and the decoders are exchanged for ones that have loaded the copy. Until
all are, and for as long as a segment that was begun with an older model is at hand, decoders are
told of that one as well. What a decoder cannot load is forgotten, and everything stays as it was.
"""

from __future__ import annotations

import logging
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

from server.exchange import Exchange
from server.language_files import LanguageFiles, LanguageFilesError, identity_of
from shm.language import MAX_NUMBER, numbers_in_use
from shm.plane import Plane

FIRST: Final = 1

log = logging.getLogger("realtime_engine.supervisor")


class LanguageReload:
    """The copies that decoders may need, the newest last. `close` frees them."""

    def __init__(self, path: Path | None) -> None:
        """Reads the files; ``path`` None: there is no language model, and never will be.

        Raises:
            LanguageFilesError: they cannot be read.
        """
        self._path = path
        self._known = [] if path is None else [LanguageFiles.copied(path, FIRST)]
        self._asked = False
        self._reader = ThreadPoolExecutor(1)  # a large file takes longer than the watch may
        self._reading: Future[LanguageFiles] | None = None
        self._exchange: Exchange | None = None

    @property
    def settings(self) -> list[dict[str, Any]]:
        """What decoders are told of the models."""
        return [files.settings for files in self._known]

    @property
    def fds(self) -> tuple[int, ...]:
        """What decoders inherit."""
        return tuple(fd for files in self._known for fd in files.fds)

    def ask(self) -> None:
        """The files are to be read again: after what is under way now, if anything is."""
        self._asked = self._path is not None

    def takes(self) -> bool:
        """Whether there is a new model for the decoders: `follow` is to be called then."""
        if self._exchange is not None:
            self._look_after(self._exchange)
            return False
        if self._reading is None:
            self._read()
            return False
        if not self._reading.done():
            return False
        reading, self._reading = self._reading, None
        try:
            files = reading.result()
        except LanguageFilesError as error:
            log.error("the language model stays as it was: %s", error)
            return False
        self._known.append(files)
        return True

    def follow(self, exchange: Exchange) -> None:
        """The decoders are being exchanged for ones that have the newest model."""
        self._exchange = exchange

    def sheds(self, plane: Plane) -> bool:
        """Frees older models that no segment needs any more; whether there were any."""
        if len(self._known) <= 1 or self._exchange is not None:
            return False
        return self._shed(numbers_in_use(plane))

    def close(self) -> None:
        """Frees all."""
        self._reader.shutdown()
        if self._reading is not None and self._reading.exception() is None:
            self._reading.result().close()
        for files in self._known:
            files.close()

    def _read(self) -> None:
        if not self._asked or self._path is None:
            return
        self._asked = False
        newest = self._known[-1]
        if identity_of(self._path) == newest.identity:
            log.info("the language model's files are the same as before")
            return
        number = newest.number % MAX_NUMBER + 1
        self._reading = self._reader.submit(LanguageFiles.copied, self._path, number)

    def _look_after(self, exchange: Exchange) -> None:
        if exchange.is_refused:
            self._known.pop().close()
            log.error("the language model stays as it was: the new one cannot be used")
        elif exchange.is_over:
            log.warning("the language model was read again: %s", self._path)
        else:
            return
        self._exchange = None

    def _shed(self, needed: set[int]) -> bool:
        *older, newest = self._known
        for files in older:
            if files.number not in needed:
                files.close()
        self._known = [files for files in older if files.number in needed] + [newest]
        return len(self._known) <= len(older)
