"""Who is let in, and with which words the others are sent away. Pure.

One for a frontend process; every connection asks it with what its opening request says. What is
refused is counted here, by reason.
"""

from __future__ import annotations

from typing import Final

from server.admission import Doorkeeper, MeasuredSlot, NoSlotError
from server.api_keys import ApiKeys
from server.handshake import Opening, RequestError, parse_request

RETRY_AFTER_S: Final = 2


class Doorway:
    """The rules of one process. ``keys`` may be replaced at any time."""

    def __init__(self, admission: Doorkeeper, keys: ApiKeys) -> None:
        self._admission = admission
        self.keys = keys

    def read(self, target: str, authorization: str | None) -> Opening:
        """What an opening request asks for.

        Raises:
            RequestError: it cannot be had as it is asked for (404, 400), or not by this client
                (401).
        """
        try:
            opening = parse_request(target)
            refusal = self.keys.refusal(authorization, opening.api_key)
            if refusal is not None:
                challenge = ("WWW-Authenticate", 'Bearer realm="realtime-engine"')
                raise RequestError(401, refusal, "key", (challenge,))
        except RequestError as error:
            self._admission.refuse(error.reason)
            raise
        return opening

    def claim(self) -> MeasuredSlot:
        """A slot for a new stream.

        Raises:
            RequestError: there is none now (503).
        """
        try:
            return self._admission.claim()
        except NoSlotError as error:  # counted where it was found out
            later = ("Retry-After", str(RETRY_AFTER_S))
            raise RequestError(503, str(error), "full", (later,)) from error

    def refuse(self, reason: str) -> None:
        """A client was sent away for a reason that was found out elsewhere."""
        self._admission.refuse(reason)

    def release(self, slot: MeasuredSlot) -> None:
        """A stream has ended."""
        self._admission.release(slot)
