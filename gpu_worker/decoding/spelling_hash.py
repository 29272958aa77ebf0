"""64-bit hashes of spellings that can be extended, for thousands of beams at once.

The hash of c1 c2 .. cn is the polynomial sum of code(ci) * BASE ** (n - i), modulo 2 ** 64
(Karp and Rabin, 1987), with a mixed code for every character. So

    hash(left + right) = hash(left) * power(right) + hash(right),   power(s) = BASE ** len(s)

whatever pieces a spelling was put together from. "" hashes to 0. Two different spellings are taken
for one with a chance near 2 ** -64 a pair: below one in a million for the widest segment.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Hashes = NDArray[np.uint64]

_BASE: Final = np.uint64(0x9E3779B97F4A7C15)


def scattered(numbers: NDArray[Any]) -> Hashes:
    """Small numbers scattered over 64 bits, one to one (the finaliser of splitmix64, 2014)."""
    z = (numbers.astype(np.uint64) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def spelling_hashes(spellings: Sequence[str]) -> Hashes:
    """The hash of each spelling."""
    hashes = np.zeros(len(spellings), np.uint64)
    for alive, longer in _prefixes(spellings):
        hashes[alive] = longer
    return hashes


def spelling_powers(spellings: Sequence[str]) -> Hashes:
    """What to multiply a hash by before adding each spelling's own."""
    lengths = np.array([len(spelling) for spelling in spellings], np.int64)
    table = np.full(int(lengths.max(initial=0)) + 1, _BASE)
    table[0] = 1
    powers: Hashes = np.cumprod(table)[lengths]
    return powers


def prefix_hashes(words: Sequence[str]) -> Hashes:
    """The distinct hashes of the prefixes of all words, the words themselves among them."""
    found = [hashes for _, hashes in _prefixes(words)]
    return np.unique(np.concatenate(found)) if found else np.zeros(0, np.uint64)


def _prefixes(words: Sequence[str]) -> Iterator[tuple[NDArray[np.intp], Hashes]]:
    """For length 1, 2, ..: which words have so many characters, and the hashes of those."""
    lengths = np.array([len(word) for word in words], np.intp)
    starts = np.cumsum(lengths) - lengths
    characters = np.frombuffer("".join(words).encode("utf-32-le"), np.uint32)
    added = scattered(characters)
    alive = np.arange(len(words))
    hashes = np.zeros(len(words), np.uint64)
    for position in range(int(lengths.max(initial=0))):
        longer = lengths[alive] > position
        alive = alive[longer]
        hashes = hashes[longer] * _BASE + added[starts[alive] + position]
        yield alive, hashes
