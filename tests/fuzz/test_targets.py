"""Noise, and seeds that were cut, changed and repeated, into every parser of bytes from outside.

A few examples of each here; `make fuzz` takes minutes, with coverage where atheris is installed.
"""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz.targets import TARGETS, Target

EXAMPLES = 60


@st.composite
def damaged(draw: st.DrawFn, seeds: tuple[bytes, ...]) -> bytes:
    """A seed with up to five changes."""
    data = bytearray(draw(st.sampled_from(seeds)))
    for _ in range(draw(st.integers(0, 5))):
        at = draw(st.integers(0, len(data)))
        how = draw(st.sampled_from(["set", "cut", "insert", "end", "repeat"]))
        span = draw(st.integers(1, 16))
        if how == "set":
            data[at : at + span] = draw(st.binary(min_size=1, max_size=span))
        elif how == "cut":
            del data[at : at + span]
        elif how == "insert":
            data[at:at] = draw(st.binary(max_size=span))
        elif how == "end":
            del data[at:]
        else:
            data[at:at] = data[at : at + span] * draw(st.integers(1, 50))
    return bytes(data)


def inputs(target: Target) -> st.SearchStrategy[bytes]:
    """What a target is fed."""
    return st.binary(max_size=300) | damaged(target.seeds)


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_a_parser_raises_what_it_says_and_nothing_else(target: Target) -> None:
    @settings(max_examples=EXAMPLES, suppress_health_check=list(HealthCheck))
    @given(inputs(target))
    def check(data: bytes) -> None:
        target.run(data)

    for seed in target.seeds:
        target.run(seed)
    check()
