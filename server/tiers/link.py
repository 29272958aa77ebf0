"""The link: every session of this machine, each on one of the model servers that are connected.

It decides which stream goes where, and when one has to begin again; it does no I/O. The shell tells
it who is connected and hands it frames, and calls `pump` whenever something may have changed. A
stream goes to the first server of the list that has room; servers that one name stands for take
turns by who has most. Where none has room, a stream waits with its audio in the plane.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from server.tiers.channel import ChannelError
from server.tiers.figures import LinkFigures
from server.tiers.frames import Capacity, Credit, Drain, Frame, Full, Release, Result, Welcome
from server.tiers.stream import LinkStream
from shm.link_line import LinkLine
from shm.link_slot import LinkSlot
from shm.seal import CorruptRecordError
from shm.session import Session


class ModelServer:
    """A model server that is connected, as the link sees it."""

    __slots__ = ("_can_send", "_last_number", "_send", "free", "id", "leaves", "rank", "streams")

    def __init__(
        self,
        rank: int,
        offer: Welcome,
        send: Callable[[Frame], None],
        can_send: Callable[[], bool] = lambda: True,
    ) -> None:
        """``rank`` is its place in the list; ``can_send`` says whether more audio can go out."""
        self._send = send
        self._can_send = can_send
        self._last_number = 0
        self.rank = rank
        self.id = offer.server_id
        self.free = offer.free
        self.leaves = False
        self.streams: dict[int, LinkStream] = {}

    def open(self, stream: LinkStream, partials: int) -> None:
        """Asks for a slot for ``stream``."""
        self._last_number += 1
        self.free -= 1
        self.streams[self._last_number] = stream
        self._send(stream.open(self._last_number, partials))

    def release(self, stream: LinkStream) -> None:
        """Nobody waits for ``stream`` any more. Its slot is free for what is asked for next."""
        del self.streams[stream.number]
        self.free += 1
        self._send(Release(stream.number))

    def send_audio(self) -> None:
        """A frame of each stream in turn, until there is nothing left to send or no room for it."""
        busy = list(self.streams.values())
        while busy and self._can_send():
            still_busy = []
            for stream in busy:
                frame = stream.next_frame()
                if frame is not None:
                    self._send(frame)
                    still_busy.append(stream)
            busy = still_busy


class Link:
    """The sessions of one plane and the model servers that serve them."""

    def __init__(
        self,
        slots: Sequence[LinkSlot],
        line: LinkLine,
        partials: int,
        figures: LinkFigures | None = None,
    ) -> None:
        """``partials`` is what every stream is opened with. Without ``figures`` nothing is counted.

        What a predecessor left is taken up: sessions that are open wait for a server at once.
        """
        self._slots = slots
        self._line = line
        self._partials = partials
        self._figures = figures
        self._servers: list[ModelServer] = []
        self._streams: dict[int, LinkStream] = {}
        self._placed: dict[LinkStream, ModelServer] = {}
        self._waiting: list[LinkStream] = []
        line.tell(0, 0)

    def knows(self, server_id: bytes) -> bool:
        """Whether this model server is connected already, maybe by another of its addresses."""
        return any(server.id == server_id for server in self._servers)

    def connected(self, server: ModelServer) -> None:
        """A model server takes streams from now on."""
        self._servers.append(server)

    def lost(self, server: ModelServer) -> None:
        """Its streams begin again elsewhere. What it sends from now on is not to be handed in."""
        self._servers.remove(server)
        self._evict(server)

    def receive(self, server: ModelServer, frame: Frame) -> None:
        """A frame from ``server``; `pump` does what follows from it.

        Raises:
            ChannelError: it is none that a model server sends now.
        """
        match frame:
            case Capacity(free):
                server.free = free
            case Drain():
                server.leaves = True
                for stream in list(server.streams.values()):
                    server.release(stream)
                    self._again(stream)
            case Full() | Credit() | Result():
                # Of a stream that was let go of meanwhile, this is too late.
                if (addressed := server.streams.get(frame.stream)) is not None:
                    self._tell(server, addressed, frame)
            case _:
                raise ChannelError(f"it sent a {type(frame).__name__}, which is not for it to send")

    def _tell(self, server: ModelServer, stream: LinkStream, frame: Full | Credit | Result) -> None:
        match frame:
            case Full():
                server.free = 0  # until it tells otherwise
                del server.streams[stream.number]
                self._again(stream)
            case Credit():
                stream.credit(frame)
            case Result():
                stream.take(frame)

    def pump(self) -> None:
        """Does all that can be done now."""
        for stream in self._placed:
            stream.publish()
        self._follow_sessions()
        self._place()
        for server in self._servers:
            server.send_audio()
        open_servers = [server for server in self._servers if not server.leaves]
        room = sum(len(server.streams) + server.free for server in open_servers)
        self._line.tell(len(open_servers), room)

    def _follow_sessions(self) -> None:
        """Streams for the sessions that began; those that ended are let go of."""
        for slot in self._slots:
            stream = self._streams.get(slot.slot)
            if slot.epoch == (stream.epoch if stream else None):
                continue
            if stream is not None:
                self._forget(slot.slot, stream)
            session = slot.session()
            if session is not None and not slot.has_given_up(session.epoch):
                self._begin(slot, session)

    def _begin(self, slot: LinkSlot, session: Session) -> None:
        try:
            begun = LinkStream(slot, session)
        except CorruptRecordError as error:
            slot.give_up(session.epoch, error)
            return
        self._streams[slot.slot] = begun
        self._waiting.append(begun)
        if begun.has_settled:
            self._count_replay()  # it was a predecessor's

    def _place(self) -> None:
        """Gives the streams that have waited longest to the servers that have room."""
        while self._waiting:
            server = self._choice()
            if server is None:
                return
            stream = self._waiting.pop(0)
            self._placed[stream] = server
            server.open(stream, self._partials)

    def _choice(self) -> ModelServer | None:
        """The first of the list that has room; of those that share a name, who has most."""
        with_room = [server for server in self._servers if server.free > 0 and not server.leaves]
        return min(with_room, key=lambda server: (server.rank, -server.free), default=None)

    def _evict(self, server: ModelServer) -> None:
        for stream in list(server.streams.values()):
            del self._placed[stream]
            self._waiting.append(stream)
            self._count_replay()
        server.streams.clear()

    def _again(self, stream: LinkStream) -> None:
        """It has no server any more, and waits in front of those that never had one."""
        del self._placed[stream]
        self._waiting.insert(0, stream)

    def _forget(self, slot: int, stream: LinkStream) -> None:
        del self._streams[slot]
        server = self._placed.pop(stream, None)
        if server is not None:
            server.release(stream)
        else:
            self._waiting.remove(stream)

    def _count_replay(self) -> None:
        if self._figures is not None:
            self._figures.replays.add()
