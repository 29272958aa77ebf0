"""How many streams each address has, and whether it may have another. Pure.

An IPv4 address counts by itself, IPv6 by its first 64 bits, which is what a subscriber is given.
Behind a proxy all clients have the proxy's address: there, the limit is the proxy's business. What
is held is bounded by the number of streams.
"""

from __future__ import annotations

from collections import Counter
from ipaddress import IPv6Address, ip_address
from typing import Final

_HOST_BITS: Final = 64


class Addresses:
    """The streams of one process by address; ``most`` 0: any number."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._streams: Counter[str] = Counter()

    @property
    def most(self) -> int:
        return self._most

    def has_room(self, address: str) -> bool:
        """Whether it may have one more."""
        return not self._most or self._streams[_counted(address)] < self._most

    def enter(self, address: str) -> None:
        """A stream begins."""
        self._streams[_counted(address)] += 1

    def leave(self, address: str) -> None:
        """One of its streams has ended."""
        counted = _counted(address)
        self._streams[counted] -= 1
        if not self._streams[counted]:
            del self._streams[counted]


def _counted(address: str) -> str:
    """What is counted in place of ``address``, which may be no IP address at all."""
    try:
        parsed = ip_address(address.partition("%")[0])  # without the zone of a link-local one
    except ValueError:
        return address
    if not isinstance(parsed, IPv6Address):
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return f"{int(parsed) >> _HOST_BITS:x}/{_HOST_BITS}"
