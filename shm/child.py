"""How a child process meets its engine: descriptors, index and settings, from one argument.

The supervisor starts every child as ``python -m MODULE JSON`` with the descriptors inherited under
the same numbers. A child that was given something it cannot use says so in one line on stderr and
exits with `EXIT_UNUSABLE`: starting it again would not help.

A child may be started to stand by: it loads what it needs, and begins when its predecessor is dead.
In its turn it may fork: what it leaves behind is loaded as well, in milliseconds and in the same
memory, and stands by for the next turn.
"""

from __future__ import annotations

import gc
import json
import logging
import os
import select
import signal
import struct
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from typing import Any, Final, NoReturn

from shm.doorbells import Doorbells
from shm.logs import LogSettings, announce, configure
from shm.plane import Plane
from shm.process_line import ProcessLine

EXIT_UNUSABLE: Final = 2
ROUND_TIMEOUT_MS: Final = 100
"""The longest that an idle loop sleeps: a missed doorbell costs at most this. Six processes that
wake ten times a second take about half a percent of a core (`python -m bench.idle`)."""
TURN_TIMEOUT_MS: Final = 500
"""The longest until a child that stands by sees that it was told to stop."""
_LOADED: Final = struct.Struct("<Q")
LOADED_BYTES: Final = _LOADED.size
_TURN: Final = struct.Struct("<Q")


def loaded_pid(message: bytes) -> int:
    """Who says that it stands by and has loaded all that it needs."""
    return int(_LOADED.unpack(message)[0])


def turn_message(generation: int) -> bytes:
    """What tells a child that stands by that its turn has come."""
    return _TURN.pack(generation)


@dataclass(frozen=True, slots=True)
class ChildArguments:
    """What every child is started with; ``settings`` are its module's own.

    ``turn_fd`` is of a child that stands by: a socket into which it says its pid once it has
    loaded, and out of which what `turn_message` makes comes in its turn. ``leaves_another`` asks it
    to leave a process there that stands by for the next turn, if it can.
    """

    index: int
    generation: int
    plane_fd: int
    bell_fds: tuple[int, ...]
    lifeline_fd: int
    settings: dict[str, Any]
    logs: LogSettings = field(default_factory=LogSettings)
    turn_fd: int | None = None
    leaves_another: bool = False

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @staticmethod
    def from_json(text: str) -> ChildArguments:
        fields = json.loads(text)
        fields["bell_fds"] = tuple(fields["bell_fds"])
        fields["logs"] = LogSettings(**fields["logs"])
        return ChildArguments(**fields)


class Child:
    """A child's view of its engine: the plane, the doorbells, and whether to go on."""

    def __init__(self, arguments: ChildArguments) -> None:
        self.index = arguments.index
        self.generation = arguments.generation
        self.settings = arguments.settings
        self.plane = Plane.attach(arguments.plane_fd)
        self.bells = Doorbells.from_fds(self.plane.geometry, arguments.bell_fds)
        self.logs = arguments.logs
        self._lifeline_fd = arguments.lifeline_fd
        self._lifeline = select.poll()
        self._lifeline.register(arguments.lifeline_fd, select.POLLHUP)
        self._told_to_stop = False
        self._turn_fd = arguments.turn_fd
        self._leaves_another = arguments.leaves_another

    @staticmethod
    def from_command_line() -> Child:
        return Child(ChildArguments.from_json(sys.argv[1]))

    def stop_on_sigterm(self) -> None:
        """SIGTERM is recorded, and the loop ends at its next round."""
        signal.signal(signal.SIGTERM, self._record_stop)

    def _record_stop(self, _signal: int, _frame: object) -> None:
        self._told_to_stop = True

    @property
    def stands_by(self) -> bool:
        """Whether this child was started to wait for its turn."""
        return self._turn_fd is not None

    def announce(self, line: ProcessLine) -> None:
        """Says in the plane who fills the place; who stands by says it in `take_turn`."""
        if not self.stands_by:
            line.announce(self.generation)

    def take_turn(self, line: ProcessLine, *, can_fork: bool = False) -> bool:
        """Call it once all is loaded, before looking at any slot: a predecessor may still write.

        Returns at once, unless this child stands by: then its turn is waited for. False if it will
        never come, since the engine stops.

        ``can_fork`` says that what was loaded works in a forked process as well: no thread of ours
        runs, and no GPU is in use. Then this may return again and again, each time in another
        process, as turns come.
        """
        if self._turn_fd is None:
            return True
        gc.collect()
        gc.freeze()  # else each collection would copy what a fork shares
        while True:
            generation = self._wait_for_turn(self._turn_fd)
            if generation is None:
                return False
            if not (self._leaves_another and can_fork):
                break
            signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel waits for who dies waiting
            if not _is_left_behind():
                break
        os.close(self._turn_fd)
        self.generation = generation
        line.announce(generation)
        return True

    def _wait_for_turn(self, turn_fd: int) -> int | None:
        """The generation that this process is; None if its turn will never come."""
        with suppress(OSError):  # nobody waits for it any more
            os.write(turn_fd, _LOADED.pack(os.getpid()))
        waiting = select.poll()
        waiting.register(turn_fd, select.POLLIN)
        waiting.register(self._lifeline_fd, select.POLLHUP)
        while not waiting.poll(TURN_TIMEOUT_MS):
            if self._told_to_stop:
                return None
        message = os.read(turn_fd, _TURN.size) if self.goes_on else b""
        return int(_TURN.unpack(message)[0]) if len(message) == _TURN.size else None

    @property
    def lifeline_fd(self) -> int:
        """Readable (end of file) once the supervisor is gone."""
        return self._lifeline_fd

    @property
    def goes_on(self) -> bool:
        """False once told to stop, or once the supervisor is gone."""
        return not self._told_to_stop and not self._lifeline.poll(0)


def _is_left_behind() -> bool:
    """Forks; whether this is the process that stands by for the next turn."""
    try:
        return os.fork() == 0
    except OSError:  # no room for another: the supervisor starts one as it did the first
        return False


def run_child(main: Callable[[Child], None], unusable: tuple[type[Exception], ...]) -> NoReturn:
    """Runs a child's main function; errors of the ``unusable`` types become one line and a code."""
    try:
        child = Child.from_command_line()
        configure(child.logs)
        main(child)
    except unusable as error:
        if not announce(str(error), logging.CRITICAL):
            print(f"realtime-engine: {error}", file=sys.stderr, flush=True)
        sys.exit(EXIT_UNUSABLE)
    # Nothing of a finished child needs tidying, and a framework's exit handlers may hang.
    sys.stderr.flush()
    os._exit(0)
