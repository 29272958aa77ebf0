"""A second mapping of a plane that tells of every word about to be loaded or stored.

A test can so run another process's part between any two accesses, or end this one there.
"""

from __future__ import annotations

from collections.abc import Callable
from threading import Semaphore, Thread

from shm.plane import Plane
from shm.words import Words


class CrashError(Exception):
    """The process that reads and writes through this plane dies here."""


class WatchedPlane(Plane):
    """``before`` is called with "load" or "store" ahead of every access to a word.

    ``word`` is then the word's index in its line or ring.
    """

    def __init__(self, plane: Plane, before: Callable[[str], None]) -> None:
        self.before = before
        self.word = 0
        super().__init__(plane.fd, plane.layout, writable=True)

    def words(self, offset: int, count: int) -> Words:
        return _WatchedWords(super().words(offset, count), self)


class _WatchedWords:
    def __init__(self, words: Words, plane: WatchedPlane) -> None:
        self._words = words
        self._plane = plane

    def __getitem__(self, index: int) -> int:
        self._plane.word = index
        self._plane.before("load")
        return self._words[index]

    def __setitem__(self, index: int, value: int) -> None:
        self._plane.word = index
        self._plane.before("store")
        self._words[index] = value


class Fuse:
    """Burns through after a number of stores: the next is a `CrashError`. None lasts for ever."""

    def __init__(self, stores: int | None = None) -> None:
        self.stores = stores

    def __call__(self, access: str) -> None:
        if access == "store" and self.stores is not None:
            if self.stores == 0:
                raise CrashError
            self.stores -= 1


class Stepped:
    """A part of a process that stops before each of its stores, until it is told to go on.

    It runs in a thread, and only while `made` or `finish` waits for it: never beside the test.
    """

    def __init__(self, plane: WatchedPlane, part: Callable[[], object]) -> None:
        self._part = part
        self._made = 0
        self._go = Semaphore(0)
        self._stopped = Semaphore(0)
        self._over = False
        plane.before = self._before
        Thread(target=self._run, daemon=True).start()
        self._stopped.acquire()

    def made(self, stores: int) -> None:
        """Returns when it has made ``stores`` in all, or has ended with fewer."""
        while self._made < stores and not self._over:
            self._made += 1
            self._go.release()
            self._stopped.acquire()

    def finish(self) -> None:
        while not self._over:
            self.made(self._made + 1)

    def _before(self, access: str) -> None:
        if access == "store":
            self._stopped.release()
            self._go.acquire()

    def _run(self) -> None:
        try:
            self._part()
        finally:
            self._over = True
            self._stopped.release()
