"""A client whose connection breaks, and that comes back to its session.

It does by hand what a client has to do: it keeps what it has sent, sends again what the server says
that it has not received, and names the last message that it got.
"""

from __future__ import annotations

from types import TracebackType
from typing import Final

import numpy as np
from numpy.typing import NDArray
from websockets.frames import Frame, Opcode

from tests.conformance.client import RawClient, message_limit, pcm_bytes, query, text_frame
from tests.conformance.hypotheses import Message
from tests.conformance.server_process import ServerProcess
from tests.conformance.waiting import PATIENCE_S

BREAKS: Final = ("reset", "end", "silence")
"""How a connection breaks: by RST, by FIN without a close frame, or so that nobody hears of it."""


class BreakingClient:
    """Sends ``audio`` and then ``done``, over as many connections as it takes."""

    def __init__(self, server: ServerProcess, audio: NDArray[np.int16]) -> None:
        self._server = server
        self._audio = pcm_bytes(audio)
        self._silent: list[RawClient] = []
        self.token = "new"
        self.messages: list[Message] = []
        self.connections = 0
        self._line: RawClient | None = None

    def __enter__(self) -> BreakingClient:
        return self

    def __exit__(
        self,
        _type: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        if self._line is not None and _error is None:
            self._line.send(self._line.close_frame())  # or its session would keep its slot
            list(self._incoming)
        for line in (self._line, *self._silent):
            if line is not None:
                line.__exit__(None, None, None)

    def connect(self, *, names_last: bool = True) -> Message:
        """Opens a connection, to the session if there is one; returns its ``ready``."""
        target = f"{query()}&session={self.token}"
        if names_last and self.messages:
            target += f"&lastMsgId={self.messages[-1]['msgId']}"
        self._line = RawClient(self._server.url, target)
        self._line.send(self._line.handshake)
        self._incoming = self._line.messages()
        ready = next(self._incoming)
        assert ready["status"] == "ready", ready
        self.token = ready["session"]
        self._at, self._dones = ready["audioBytes"], ready["dones"]
        self.connections += 1
        return ready

    def send_part(self, n_bytes: int, cut_within: int) -> None:
        """So much of the audio from where the server is, and the beginning of a frame behind it."""
        assert self._line is not None
        end = min(len(self._audio), self._at + n_bytes // 2 * 2)
        frames = b"".join(
            Frame(Opcode.BINARY, self._audio[at : min(end, at + message_limit(16_000))]).serialize(
                mask=True
            )
            for at in range(self._at, end, message_limit(16_000))
        )
        rest = Frame(Opcode.BINARY, self._audio[end : end + 2000]).serialize(mask=True)
        try:
            self._line.send(frames + rest[: min(cut_within, len(rest) - 1)])
        except TimeoutError:
            raise AssertionError(f"the server took nothing for {PATIENCE_S:g} s") from None

    def read(self, count: int) -> None:
        """Takes so many messages in."""
        for _ in range(count):
            self.messages.append(next(self._incoming))

    def read_what_comes(self, within_s: float) -> None:
        """Takes messages in while they come that soon after each other."""
        assert self._line is not None
        while self._line.has_come(within_s):
            self.read(1)

    def lose(self, how: str) -> None:
        """The connection breaks."""
        assert self._line is not None
        if how == "reset":
            self._line.vanish()
        elif how == "end":
            self._line.half_close()
            self._silent.append(self._line)
        else:
            self._silent.append(self._line)
        self._line = None

    def finish(self) -> None:
        """Sends the rest and ``done``, and takes in everything up to the final without words."""
        assert self._line is not None
        self.send_part(len(self._audio), 0)
        self._line.send(text_frame(b"done") * (2 - self._dones))
        while True:
            self.read(1)
            last = self.messages[-1]
            if last.get("isFinal") and not last["words"]:
                return

    def finals(self) -> list[str]:
        """Texts of the finals with words."""
        return [m["text"] for m in self.messages if m.get("isFinal") and m["words"]]
