"""Aligned 64-bit words in shared memory: one store, one load, in order.

Every hand-off of the plane is "payload first, index last" between one writer and one reader. On
x86-64 (total store order) a plain aligned 8-byte move is enough, and a `memoryview` cast to "Q"
makes exactly that. Elsewhere the store must release and the load must acquire; libatomic does both
by ctypes. A weakly ordered machine without libatomic is refused: it would lose words rarely and
silently.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import platform
from typing import Final, Protocol

_ACQUIRE: Final = 2
_RELEASE: Final = 3
_TOTAL_STORE_ORDER: Final = frozenset({"x86_64", "AMD64", "amd64"})


class Words(Protocol):
    """An array of u64 in shared memory."""

    def __getitem__(self, index: int, /) -> int: ...

    def __setitem__(self, index: int, value: int, /) -> None: ...


class AtomicWords:
    """Acquire loads and release stores by libatomic, for machines that reorder."""

    __slots__ = ("_address", "_keep", "_load", "_store")

    def __init__(self, buffer: memoryview) -> None:
        library = ctypes.util.find_library("atomic")
        if library is None:
            raise OSError("this processor needs libatomic (on Debian: apt-get install libatomic1)")
        atomic = ctypes.CDLL(library)
        self._load = atomic["__atomic_load_8"]  # an attribute's name would be mangled here
        self._load.argtypes = [ctypes.c_void_p, ctypes.c_int]
        self._load.restype = ctypes.c_uint64
        self._store = atomic["__atomic_store_8"]
        self._store.argtypes = [ctypes.c_void_p, ctypes.c_uint64, ctypes.c_int]
        self._store.restype = None
        self._keep = (ctypes.c_char * buffer.nbytes).from_buffer(buffer)
        self._address = ctypes.addressof(self._keep)
        assert self._address % 8 == 0, "words are aligned"

    def __getitem__(self, index: int, /) -> int:
        return int(self._load(self._address + 8 * index, _ACQUIRE))

    def __setitem__(self, index: int, value: int, /) -> None:
        self._store(self._address + 8 * index, value, _RELEASE)


def words_of(buffer: memoryview) -> Words:
    """The words of ``buffer`` (a multiple of 8 bytes), with the ordering that this machine needs.

    Raises:
        OSError: a weakly ordered processor without libatomic.
    """
    if platform.machine() in _TOTAL_STORE_ORDER:
        return buffer.cast("Q")
    return AtomicWords(buffer)
