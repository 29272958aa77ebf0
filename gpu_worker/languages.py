"""The language models that a decoder searches with: the newest one, and those of segments at hand.

A segment keeps the model that it was begun with (`shm.language`). A decoder is started with the
newest model and those older ones that segments at hand may need. Older ones are held by the slots
that use them, and by nothing else: with the last of their segments they are gone from memory.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias
from weakref import WeakValueDictionary

from gpu_worker.decoding import Search
from gpu_worker.second_pass.rescoring import Rescorer

NO_MODEL: Final = 1
"""The number where there is no language model, which never changes."""


@dataclass(frozen=True, slots=True)
class LanguageSettings:
    """Where a decoder finds a model: inherited descriptors of its file and of its list of words.

    ``name`` is the file's for messages. Made by `server.language_files.LanguageFiles.settings`.
    """

    number: int
    name: str
    model_fd: int
    words_fd: int | None


@dataclass(frozen=True, slots=True, weakref_slot=True)
class Language:
    """What a slot needs of one model. ``rescorer`` None: there is no second pass."""

    number: int
    make_search: Callable[[], Search]
    rescorer: Rescorer | None


Load: TypeAlias = Callable[[LanguageSettings], Language]


class Languages:
    """Shared by the slots of a decoder."""

    def __init__(
        self, newest: Language, known: Sequence[LanguageSettings] = (), load: Load | None = None
    ) -> None:
        """``load`` loads one of the ``known`` when it is needed; the last of them is the newest."""
        self.newest = newest
        self._known = known
        self._older = {settings.number: settings for settings in known[:-1]}
        self._load = load
        self._in_use: WeakValueDictionary[int, Language] = WeakValueDictionary()

    def of(self, number: int) -> Language:
        """The model of this number: the newest, where no such one is known."""
        found = self._in_use.get(number)
        if found is not None:
            return found
        settings = self._older.get(number)
        if settings is None or self._load is None:
            return self.newest
        loaded = self._load(settings)
        self._in_use[number] = loaded
        return loaded

    def settle(self) -> None:
        """Every slot holds what its segment needs: no older model is ever needed besides these.

        The descriptors of all are closed, since the memory of a copy goes with the last of them.
        """
        for settings in self._known:
            for fd in (settings.model_fd, settings.words_fd):
                if fd is not None:
                    os.close(fd)
        self._known = ()
        self._older = {}

    def ahead(self, numbers: Iterable[int]) -> list[Language]:
        """Loads these; they stay loaded for as long as the caller holds what is returned."""
        return [self.of(number) for number in numbers]
