from __future__ import annotations

import ctypes.util
import platform
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shm.words import AtomicWords, Words, words_of

needs_libatomic = pytest.mark.skipif(
    ctypes.util.find_library("atomic") is None, reason="libatomic is not installed"
)
MAKERS = [words_of, pytest.param(AtomicWords, marks=needs_libatomic)]
u64 = st.integers(0, 2**64 - 1)


@pytest.mark.parametrize("make", MAKERS)
@given(values=st.lists(u64, min_size=1, max_size=16))
def test_a_word_holds_what_was_stored_last(
    make: Callable[[memoryview], Words], values: list[int]
) -> None:
    buffer = memoryview(bytearray(8 * len(values)))
    words = make(buffer)
    for index, value in enumerate(values):
        words[index] = 2**64 - 1
        words[index] = value
    assert [words[index] for index in range(len(values))] == values
    assert buffer.cast("Q").tolist() == values


@needs_libatomic
def test_both_kinds_see_the_same_memory() -> None:
    buffer = memoryview(bytearray(32))
    plain, atomic = buffer.cast("Q"), AtomicWords(buffer)
    atomic[3] = 2**63 + 7
    assert plain[3] == 2**63 + 7
    plain[0] = 5
    assert atomic[0] == 5


@needs_libatomic
def test_a_weakly_ordered_machine_gets_atomic_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")
    assert isinstance(words_of(memoryview(bytearray(8))), AtomicWords)


def test_a_weakly_ordered_machine_without_libatomic_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")
    monkeypatch.setattr(ctypes.util, "find_library", lambda name: None)
    with pytest.raises(OSError, match="needs libatomic"):
        words_of(memoryview(bytearray(8)))


@pytest.mark.parametrize("machine", ["x86_64", "AMD64"])
def test_a_strongly_ordered_machine_needs_no_library(
    monkeypatch: pytest.MonkeyPatch, machine: str
) -> None:
    monkeypatch.setattr(platform, "machine", lambda: machine)
    monkeypatch.setattr(ctypes.util, "find_library", lambda name: None)
    assert isinstance(words_of(memoryview(bytearray(8))), memoryview)
