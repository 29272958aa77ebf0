"""The audio of a stream on its way: cut into messages, and kept until finals cover it. Pure.

Positions are bytes from the start of the whole stream, over all its connections. What is held is
bounded: `HELD_S` of audio that the server has read, and what it has not read yet.

    start ......... sent ......... end
      kept for       not sent
      sending again  yet

After a loss, ``sent`` moves back. A server that has kept the session says how much of it it has
received: `go_on` moves to there. For a new session `rewind` moves to ``start``, and everything from
there is sent again.

What can be forgotten. A final says where its last word ends, not where its utterance ended. Words
come in order, so the audio up to there is covered; what follows it may hold the beginning of the
next utterance. A final without words is the answer to `done`, so it covers everything before that.
A word that ends after a `done` says that this `done` was answered. Silence is answered by nothing,
so the oldest audio is forgotten when the server must have finished with it: it ends an utterance
after 20 s, and takes about 80 s of audio into its memory before it lets TCP hold up the client.
"""

from __future__ import annotations

from collections import deque
from typing import Final

from realtime_client.messages import Hypothesis

DONE: Final = "done"
HELD_S: Final = 90
_SAMPLE_BYTES: Final = 2


class OutgoingAudio:
    """See the module. One side adds audio, the other takes messages."""

    __slots__ = (
        "_answered_ms",
        "_audio",
        "_dones",
        "_dones_sent",
        "_progress",
        "_rate_hz",
        "_sent",
        "_session_dones",
        "_session_start",
        "_start",
    )

    def __init__(self, sample_rate_hz: int) -> None:
        self._rate_hz = sample_rate_hz
        self._audio = bytearray()  # from start to end
        self._start = 0
        self._sent = 0
        self._dones: deque[int] = deque()  # the positions of those that may be unanswered
        self._dones_sent = 0
        self._answered_ms = 0
        self._progress = 0
        self._session_start = 0  # where the stream was when the server's session began
        self._session_dones = 0  # sent since

    @property
    def sent(self) -> int:
        """The position up to which messages were taken."""
        return self._sent

    @property
    def unsent_bytes(self) -> int:
        """Whole samples that wait to be taken."""
        return (self._start + len(self._audio) - self._sent) // _SAMPLE_BYTES * _SAMPLE_BYTES

    @property
    def kept_bytes(self) -> int:
        """Audio that would be sent again."""
        return self._sent - self._start

    @property
    def ends_mid_sample(self) -> bool:
        """Whether half a sample waits for its other half."""
        return len(self._audio) % _SAMPLE_BYTES == 1

    @property
    def finals_until_ms(self) -> int:
        """How far finals have come, in milliseconds of the stream."""
        return self._answered_ms

    @property
    def progress(self) -> int:
        """The furthest position that a server has read or covered; reading it again is none."""
        return self._progress

    def add(self, pcm: bytes) -> None:
        """Audio of any length; half a sample waits for the next call."""
        self._audio += pcm

    def add_done(self) -> None:
        """The utterance ends here. Half a sample belongs to what follows."""
        end = self._start + len(self._audio)
        self._dones.append(end - end % _SAMPLE_BYTES)

    def next_message(self) -> bytes | str | None:
        """The next message for the server, None if nothing waits.

        Audio comes in whole samples and at most 128 ms, which is what the server takes.
        """
        next_done = self._dones[self._dones_sent] if self._dones_sent < len(self._dones) else None
        if next_done == self._sent:
            self._dones_sent += 1
            self._session_dones += 1
            return DONE
        waiting = self.unsent_bytes if next_done is None else next_done - self._sent
        size = min(waiting, max_message_bytes(self._rate_hz))
        if not size:
            return None
        at = self._sent - self._start
        self._sent += size
        return bytes(self._audio[at : at + size])

    def rewind(self) -> int:
        """A new session: from now on messages start at what is not covered.

        Returns how many milliseconds of the stream lie before that.
        """
        self._sent = self._session_start = self._start
        self._dones_sent = self._session_dones = 0
        return self._ms(self._start)

    def go_on(self, audio_bytes: int, dones: int) -> bool:
        """The same session on a new connection: from now on messages follow what it has received.

        That is given as the server counts it, from the session's start. False, if it cannot be
        true; nothing has changed then.
        """
        position = self._session_start + audio_bytes
        missing = self._session_dones - dones
        if not self._start <= position <= self._sent or not 0 <= missing <= self._dones_sent:
            return False
        self._sent = position
        self._dones_sent -= missing
        self._session_dones = dones
        return True

    def was_read(self, position: int) -> None:
        """The server has read everything up to ``position``."""
        self._progress = max(self._progress, position)
        self._forget(position - HELD_S * self._rate_hz * _SAMPLE_BYTES)

    def was_heard(self, hypothesis: Hypothesis) -> None:
        """A result has come; its times are milliseconds of the whole stream."""
        if hypothesis.words:
            self._forget_answered_dones(hypothesis.words[-1].end_ms)
            if hypothesis.is_final:
                self._cover(self._position(hypothesis.words[-1].end_ms))
        elif hypothesis.is_final and self._dones_sent:
            self._cover(self._pop_done())

    def _forget_answered_dones(self, heard_until_ms: int) -> None:
        """Those before a word that was heard; to such a one belongs a final, and it has come."""
        while self._dones_sent and self._ms(self._dones[0]) + 1 < heard_until_ms:
            self._cover(self._pop_done())

    def _pop_done(self) -> int:
        self._dones_sent -= 1
        return self._dones.popleft()

    def _cover(self, position: int) -> None:
        self._answered_ms = max(self._answered_ms, self._ms(position))
        self._progress = max(self._progress, position)
        self._forget(position)

    def _forget(self, position: int) -> None:
        """Drops what lies before ``position`` and was sent; a final never covers more."""
        surplus = min(position, self._sent) - self._start
        if surplus > 0:
            del self._audio[:surplus]
            self._start += surplus
        while self._dones_sent and self._dones[0] < self._start:
            self._pop_done()

    def _ms(self, position: int) -> int:
        return position // _SAMPLE_BYTES * 1000 // self._rate_hz

    def _position(self, ms: int) -> int:
        return ms * self._rate_hz // 1000 * _SAMPLE_BYTES


def max_message_bytes(sample_rate_hz: int) -> int:
    """The most that one message of audio may hold: 128 ms, in whole samples."""
    return 2048 * sample_rate_hz // 8000 // _SAMPLE_BYTES * _SAMPLE_BYTES
