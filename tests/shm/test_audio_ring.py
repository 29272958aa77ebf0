from __future__ import annotations

from collections import deque

import numpy as np
import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from shm.audio_ring import copy_in, copy_out

SIZE = 16


class RingAgainstDeque(RuleBasedStateMachine):
    """The ring as its two sides use it: written at the head, read and given up at the tail."""

    def __init__(self) -> None:
        super().__init__()
        self.ring = np.zeros(SIZE, np.int16)
        self.model: deque[int] = deque()
        self.head = self.tail = 0
        self.next_value = 0

    @rule(count=st.integers(0, SIZE))
    def write(self, count: int) -> None:
        count = min(count, SIZE - len(self.model))
        values = np.arange(self.next_value, self.next_value + count).astype(np.int16)
        copy_in(self.ring, self.head, values)
        self.model.extend(values.tolist())
        self.head += count
        self.next_value = (self.next_value + count) % 30_000

    @precondition(lambda self: self.model)
    @rule(count=st.integers(1, SIZE))
    def take(self, count: int) -> None:
        count = min(count, len(self.model))
        out = np.zeros(count, np.int16)
        copy_out(self.ring, self.tail, out)
        assert out.tolist() == [self.model.popleft() for _ in range(count)]
        self.tail += count

    @rule(skip=st.integers(0, SIZE), count=st.integers(0, SIZE))
    def look(self, skip: int, count: int) -> None:
        """Reading anywhere between tail and head takes nothing away."""
        skip = min(skip, len(self.model))
        out = np.zeros(min(count, len(self.model) - skip), np.int16)
        copy_out(self.ring, self.tail + skip, out)
        assert out.tolist() == list(self.model)[skip : skip + out.shape[0]]

    @invariant()
    def nothing_is_lost(self) -> None:
        assert self.head - self.tail == len(self.model) <= SIZE


TestRingAgainstDeque = RingAgainstDeque.TestCase


def test_a_write_around_the_end_leaves_the_rest_alone() -> None:
    ring = np.full(8, -1, np.int16)
    copy_in(ring, 8 * 10**12 + 6, np.array([1, 2, 3], np.int16))
    assert ring.tolist() == [3, -1, -1, -1, -1, -1, 1, 2]


def test_a_copy_as_long_as_the_ring_takes_all_of_it() -> None:
    ring = np.zeros(8, np.int16)
    values = np.arange(1, 9).astype(np.int16)
    copy_in(ring, 5, values)
    out = np.zeros(8, np.int16)
    copy_out(ring, 5, out)
    assert out.tolist() == values.tolist()


def test_more_than_the_ring_holds_is_our_mistake() -> None:
    ring = np.zeros(8, np.int16)
    with pytest.raises(AssertionError, match="a write fits"):
        copy_in(ring, 0, np.zeros(9, np.int16))
    with pytest.raises(AssertionError, match="a read fits"):
        copy_out(ring, 0, np.zeros(9, np.int16))
