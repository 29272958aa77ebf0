"""Windows of a segment: every sample where the engine has it."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tools.train.windows import cut


@given(st.integers(0, 300), st.integers(0, 60), st.integers(1, 40), st.integers(0, 20))
def test_every_window_holds_its_place(length: int, left: int, chunk: int, right: int) -> None:
    samples = np.arange(1, length + 1, dtype=np.int16)
    size = left + chunk + right
    windows, spans = cut(samples, left, chunk, size)
    assert len(windows) == max(1, -(-length // chunk))
    for number, (window, (begin, end)) in enumerate(zip(windows, spans, strict=True)):
        first = number * chunk - left
        expected = [n + 1 if 0 <= n < length else 0 for n in range(first, first + size)]
        assert window.tolist() == expected
        assert np.flatnonzero(window).tolist() == list(range(begin, end))


def test_chunks_follow_each_other() -> None:
    samples = np.arange(100, dtype=np.float32)
    windows, _ = cut(samples, 30, 8, 50)
    assert np.concatenate([window[30:38] for window in windows])[:100].tolist() == samples.tolist()
