"""The way of one chunk of audio through the engine, as times, and the stages between them.

    received   the bytes of the message that completed it came from the socket
    ringed     they are in the audio ring, as samples of the model
    staged     the chunk's window is in the model's batch, and the step begins
    stepped    its log-probabilities are in the emission ring
    decoded    the beam search has gone over them
    published  the result is in the outbox: later only where the second pass was asked
    sent       its message is with the socket

The first three travel in the emission record, the first five in the outbox record (`shm.stamp`);
the frontend, which knows them all in the end, leaves them in its line of the slot, where whoever
looks at the plane finds the chunk whose result was sent last. Chunks that waited for their client,
the last before a pause or a `done`, carry no times: their waits are not the engine's.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Final, NamedTuple

from shm.layout import SLOT_TRACE, TRACE_WORDS
from shm.words import Words

OF_EMISSION: Final = 3
OF_OUTBOX: Final = 5
"""So many of a trace's first times travel in a record, before the record's own."""


class Trace(NamedTuple):
    """Monotonic times in ns."""

    received_ns: int
    ringed_ns: int
    staged_ns: int
    stepped_ns: int
    decoded_ns: int
    published_ns: int
    sent_ns: int

    def stages_ms(self) -> dict[str, float]:
        """How long each stage took, in the order of `STAGES`; together, from first to last."""
        spans = ((end - begin) / 1e6 for begin, end in pairwise(self))
        return dict(zip(STAGES, spans, strict=True))

    @property
    def total_ms(self) -> float:
        return (self.sent_ns - self.received_ns) / 1e6


STAGES: Final = tuple(
    f"{begin.removesuffix('_ns')}_to_{end.removesuffix('_ns')}"
    for begin, end in pairwise(Trace._fields)
)
assert len(Trace._fields) == TRACE_WORDS


def found_in(line: Words) -> Trace | None:
    """The trace in a slot's frontend line; None if there is none, or it is just being written."""
    sent_ns = line[SLOT_TRACE + TRACE_WORDS - 1]
    found = Trace(*(line[SLOT_TRACE + word] for word in range(TRACE_WORDS)))
    is_whole = sent_ns != 0 and line[SLOT_TRACE + TRACE_WORDS - 1] == sent_ns == found.sent_ns
    return found if is_whole else None
