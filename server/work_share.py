"""How much of a process's time one connection may have. Pure.

All connections of a process take turns on one event loop. What a client sends in real time is next
to nothing; one that floods the server with frames of a byte each would keep everybody waiting. So
each connection has an account of processor time: it fills by `SHARE` of the time that passes, up to
`BURST_S`, and what its bytes cost is taken from it. Who has overdrawn it is not listened to until
it is level again: TCP slows that client down, and nothing is lost.
"""

from __future__ import annotations

from typing import Final

SHARE: Final = 0.1
"""Of one processor. A file that is sent at full speed stays far below: 128 ms of audio cost some
50 us."""
BURST_S: Final = 0.004
LEAST_PIECE_BYTES: Final = 64
FIRST_PIECE_BYTES: Final = 512
MOST_PIECE_BYTES: Final = 8192
"""How much is looked at before the clock is: two messages of audio, or hundreds of small ones."""
DEAR_S: Final = 0.002
"""A piece that costs more was too large."""


class WorkShare:
    """The account of one connection. Times of the clock and of the processor are in seconds."""

    __slots__ = ("_balance_s", "_looked_s", "piece_bytes")

    def __init__(self, now_s: float) -> None:
        self._balance_s = BURST_S
        self._looked_s = now_s
        self.piece_bytes = FIRST_PIECE_BYTES
        """How much of what was sent to look at next: as much as is cheap."""

    def spend(self, cost_s: float, now_s: float) -> float:
        """A piece was looked at, which cost so much; for how long to rest now, 0 not to."""
        filled_s = SHARE * max(0.0, now_s - self._looked_s)
        self._looked_s = max(now_s, self._looked_s)
        self._balance_s = min(BURST_S, self._balance_s + filled_s) - cost_s
        if cost_s > DEAR_S:
            self.piece_bytes = max(LEAST_PIECE_BYTES, self.piece_bytes // 4)
        elif cost_s < DEAR_S / 8:
            self.piece_bytes = min(MOST_PIECE_BYTES, 2 * self.piece_bytes)
        return max(0.0, -self._balance_s / SHARE)
