"""Sessions that come to this process from another: its dead predecessor, or another frontend. Pure.

Where several frontends accept on one port, a client that comes back meets any of them. What its
session was is in the plane (`server.adoption`), and its token names the slot. A slot that nobody
holds is taken at once; a living frontend is asked to let it go (`shm.wishes`), and does so at its
next look. One session at a time is asked for.
"""

from __future__ import annotations

import logging
from hmac import compare_digest
from typing import Final, Protocol

from server.admission import MeasuredSlot
from server.adoption import Client, position_of
from server.keeping import Stream, slot_of
from server.session import Session
from shm.seal import CorruptRecordError
from shm.wishes import Wish, Wishes

ASKED_WITHIN_S: Final = 1.0
"""A session that nobody has asked for so long is not waited for: others would wait behind it."""

log = logging.getLogger("realtime_engine.moving")


class Slots(Protocol):
    """Of `server.admission.Admission`, what concerns sessions that have begun."""

    def find(self) -> list[MeasuredSlot]: ...
    def take(self, slot: int, epoch: int) -> MeasuredSlot | None: ...
    def client_in(self, slot: int) -> tuple[int, bytes] | None: ...
    def is_open(self, slot: int, epoch: int) -> bool: ...
    def holds(self, slot: int) -> bool: ...
    def let_go(self, slot: MeasuredSlot) -> None: ...
    def release(self, slot: MeasuredSlot) -> None: ...


class Moving:
    """The sessions that come to one frontend and go from it."""

    def __init__(self, slots: Slots, wishes: Wishes, model_rate_hz: int) -> None:
        self._slots = slots
        self._wishes = wishes
        self._wishes.forget()  # a predecessor's
        self._model_rate_hz = model_rate_hz
        self._wanted: dict[tuple[int, int], float] = {}
        """Slots and epochs, and when each was asked for last; the first is wished for."""

    def find(self) -> list[Stream]:
        """The sessions of this frontend that nobody holds; those that nobody can come back to end.

        Its predecessor died; or it has let one go for a frontend that died.
        """
        streams = [self._stream_in(slot) for slot in self._slots.find()]
        return [stream for stream in streams if stream is not None]

    def ask_for(self, token: str, now_s: float) -> bool:
        """Has the session of ``token`` come here; whether there is one, with another frontend.

        Ask again and again, until it has arrived.
        """
        slot = slot_of(token)
        session = None if slot is None else self._slots.client_in(slot)
        if slot is None or session is None or self._slots.holds(slot):
            return False
        epoch, client = session
        if not compare_digest(Client.from_bytes(client).token.encode(), token.encode()):
            return False
        self._wanted[slot, epoch] = now_s
        return True

    def arrived(self, now_s: float) -> list[Stream]:
        """Those that were asked for and are here now."""
        streams: list[Stream] = []
        while self._wanted:
            slot, epoch = wanted = next(iter(self._wanted))
            taken = self._slots.take(slot, epoch)
            is_asked_for = now_s - self._wanted[wanted] < ASKED_WITHIN_S
            if taken is None and is_asked_for and self._slots.is_open(slot, epoch):
                self._wishes.make(slot, epoch)
                break
            del self._wanted[wanted]
            self._wishes.forget()
            stream = None if taken is None else self._stream_in(taken)
            if stream is not None:
                streams.append(stream)
        return streams

    def asked_away(self) -> list[Wish]:
        """Sessions that other frontends wish for, whoever has them."""
        return self._wishes.of_others()

    def let_go(self, stream: Stream, wish: Wish) -> None:
        """One that was wished for is free to be taken."""
        self._slots.let_go(stream.slot)
        self._wishes.granted(wish)

    def _stream_in(self, slot: MeasuredSlot) -> Stream | None:
        """The stream in a slot with a session that was begun elsewhere; None if it ends here."""
        try:
            stream = self._stream(slot)
        except CorruptRecordError as error:
            log.error("slot %d, its session is given up: %s", slot.slot, error)
            stream = None
        if stream is None:
            self._slots.release(slot)
        return stream

    def _stream(self, slot: MeasuredSlot) -> Stream | None:
        left_open = slot.measured
        sheet = left_open.client()
        if sheet is None:
            return None
        left_open.recall()
        client = Client.from_bytes(sheet)
        rate_hz = client.parameters.sample_rate_hz
        position = position_of(left_open, rate_hz, self._model_rate_hz)
        if position is None or slot.said.lost:
            return None
        session = Session(
            slot,
            client.parameters,
            self._model_rate_hz,
            client.token,
            position,
            client.session_id,
        )
        return Stream(session, slot, client.parameters, client.address, client.token)
