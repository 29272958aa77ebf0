"""Child processes around one plane: started, watched, replaced, stopped.

Starts every process with its descriptors, waits until all are ready, then watches: a process that
died, or whose heartbeat went stale, is replaced by the next generation after a back-off. No
successor begins before `waitpid` has confirmed the death (rule R7); where one stands by, loaded,
it begins at once. The first deaths in a row are replaced at once as well, since processes that are
killed by chance come in twos and threads; a place whose processes end again and again, hardly
begun, makes the engine *fail*: the plane says so, to whoever would let clients in, until it holds.
What there is to start is for `Engine` and `LinkedEngine` to say.
"""

from __future__ import annotations

import os
import select
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict, replace
from typing import Any, Final

from server.exchange import Exchange
from server.forked_process import AnyProcess, adopt_orphans
from server.frontend_settings import FrontendSettings
from server.managed_process import ManagedProcess
from server.standby import Standby
from server.tiers.settings import ListenerSettings
from shm.child import EXIT_UNUSABLE, ChildArguments
from shm.doorbells import Doorbells
from shm.layout import Geometry
from shm.logs import LogSettings
from shm.plane import Plane
from shm.process_line import STALE_AFTER_MS, ProcessLine

START_TIMEOUT_S: Final = 300
"""A first start may read a large model from a slow disk and capture graphs for it."""
STOP_TIMEOUT_S: Final = 10
POLL_S: Final = 0.02
BACK_OFF_S: Final = (0.0, 0.0, 0.0, 0.0, 0.5, 1.0, 2.0, 4.0)
FORGIVEN_AFTER_S: Final = 2
"""A process that was ready for so long begins with the first back-off again: what kills whoever
serves does it at once, when audio is replayed."""
STANDBY_BACK_OFF_S: Final = 8.0
BORN_WITHIN_S: Final = 1.0
"""A process that one leaves as it begins has said who it is by then: it takes milliseconds."""
FAILING_AFTER: Final = len(BACK_OFF_S)
"""So many deaths in a row, none of them forgiven, are no mishap any more."""


class EngineError(Exception):
    """The engine cannot start or go on; the message is one line."""


class UnusableError(EngineError):
    """A process was given what it cannot use; it has said so itself, in one line on stderr."""


class Processes:
    """Plane, doorbells and child processes. `close` must be called, also after a failed start."""

    def __init__(self, geometry: Geometry, logs: LogSettings) -> None:
        self._logs = logs
        self.plane = Plane.create(geometry)
        self.bells = Doorbells.create(geometry)
        self._lifeline_read, self._lifeline_write = os.pipe2(os.O_CLOEXEC)
        self._processes: list[ManagedProcess] = []
        self._dismissed: list[AnyProcess] = []
        self._exchange: Exchange | None = None

    def add_frontend(self, index: int, settings: FrontendSettings) -> None:
        """Adds a frontend, started by the next `start`; it inherits the listening sockets."""
        line = self.plane.layout.frontend_process(index)
        self._add("frontend", "server.frontend", index, line, asdict(settings), settings.fds)

    def add_listener(self, settings: ListenerSettings) -> None:
        """Adds what a model server has in place of frontends: the place in the plane is theirs."""
        line = self.plane.layout.frontend_process(0)
        self._add("frontend", "server.tiers.listener", 0, line, asdict(settings), settings.fds)

    def _add(
        self,
        name: str,
        module: str,
        index: int,
        line_offset: int,
        settings: dict[str, Any],
        extra_fds: tuple[int, ...] = (),
        *,
        stands_by: bool = False,
        essential: bool = True,
    ) -> None:
        line = ProcessLine(self.plane, line_offset)
        self._processes.append(
            ManagedProcess(name, module, index, line, settings, extra_fds, stands_by, essential)
        )

    def start(self, keep_waiting: Callable[[], bool] = lambda: True) -> None:
        """Starts what is not running yet and returns once all are ready.

        The first process of a kind goes ahead of its siblings: what it cannot use is of no use to
        them either, and is said once.

        Raises:
            EngineError: a process gave up during its start (it has said why on stderr), or took
                longer than `START_TIMEOUT_S`, or ``keep_waiting`` turned false.
        """
        deadline_s = time.monotonic() + START_TIMEOUT_S
        while not self.is_ready:
            if not keep_waiting():
                raise EngineError("stopped during start-up")
            for managed in self._processes:
                if managed.process is None and self._has_gone_ahead(managed):
                    self._spawn(managed, time.monotonic())
            for managed in self._processes:
                code = managed.process.poll() if managed.process else None
                if code == EXIT_UNUSABLE:
                    raise UnusableError(f"{managed.name} {managed.index} cannot start")
                if code is not None:
                    raise EngineError(
                        f"{managed.name} {managed.index} could not start (exit {code})"
                    )
            if time.monotonic() > deadline_s:
                raise EngineError(f"the engine was not ready within {START_TIMEOUT_S} s")
            time.sleep(POLL_S)

    @property
    def is_ready(self) -> bool:
        return all(managed.is_ready for managed in self._processes)

    def _has_gone_ahead(self, managed: ManagedProcess) -> bool:
        """Whether the first process of this one's kind is ready, or is this one."""
        first = next(m for m in self._processes if m.name == managed.name)
        return first is managed or first.is_ready

    def watch(self, now_s: float) -> list[str]:
        """Reaps and replaces what died or is stuck; ``now_s`` is the monotonic clock's time.

        Returns:
            What happened, a line each, for the log.

        Raises:
            EngineError: a process says that starting it again would not help.
        """
        events = []
        for managed in self._processes:
            events += self._watch_place(managed, now_s)
            events += self._watch_standby(managed, now_s)
        if self._exchange is not None:
            events += self._exchange.step(now_s)
        self._dismissed = [process for process in self._dismissed if process.poll() is None]
        failing = any(m.essential and m.failures >= FAILING_AFTER for m in self._processes)
        self.plane.set_failing(failing)
        return events

    def _watch_place(self, managed: ManagedProcess, now_s: float) -> list[str]:
        events = []
        code = managed.process.poll() if managed.process else None
        if code == EXIT_UNUSABLE and not managed.leaves:
            raise UnusableError(f"{managed.name} {managed.index} cannot go on")
        if code is not None and managed.leaves:
            managed.process, managed.leaves, managed.restart_at_s = None, False, now_s
        elif code is not None:
            events.append(self._schedule_restart(managed, code, now_s))
        if managed.process is None:
            if now_s >= managed.restart_at_s:
                self._spawn(managed, now_s)
        elif self._is_stuck(managed, now_s):
            events.append(f"{managed.name} {managed.index} is stuck: killed")
            managed.process.kill()
        elif managed.is_ready:
            if managed.ready_s is None:
                managed.ready_s = now_s
            if now_s - managed.ready_s > FORGIVEN_AFTER_S:
                managed.failures = 0
        return events

    def _watch_standby(self, managed: ManagedProcess, now_s: float) -> list[str]:
        """Keeps a successor loaded, once the place is filled: nothing then waits for this one."""
        standby = managed.standby
        if standby is not None and not (standby.is_running or standby.is_expected):
            ended, managed.standby = standby.dismiss(), None
            if ended is not None:
                code = ended.poll()
                if code == EXIT_UNUSABLE:
                    raise UnusableError(
                        f"the standby of {managed.name} {managed.index} cannot start"
                    )
                managed.standby_at_s = now_s + STANDBY_BACK_OFF_S
                return [f"the standby of {managed.name} {managed.index} ended (exit {code})"]
        wanted = managed.stands_by and managed.standby is None and managed.is_ready
        if wanted and now_s >= managed.standby_at_s:
            managed.standby = self._start_standby(managed)
        return []

    def _start_standby(self, managed: ManagedProcess) -> Standby:
        managed.leaves_another = adopt_orphans()
        return Standby.start(lambda turn_fd: self._launch(managed, turn_fd))

    def exchange(self, name: str, settings: dict[str, Any], fds: tuple[int, ...]) -> Exchange:
        """Begins to replace the processes of a kind by successors that get these; `watch` goes on.

        One exchange at a time.
        """
        assert self._exchange is None or self._exchange.is_over, "one exchange at a time"
        places = [managed for managed in self._processes if managed.name == name]
        self._exchange = Exchange(places, settings, fds, self._launch, self._dismiss)
        return self._exchange

    def renew(self, name: str, settings: dict[str, Any], fds: tuple[int, ...]) -> None:
        """Lets successors of a kind have these, also those that stand by; nobody is replaced."""
        for managed in self._processes:
            if managed.name == name:
                managed.settings, managed.extra_fds = settings, fds
                if managed.standby is not None:
                    self._dismiss(managed.standby)
                    managed.standby = None

    def read_again(self) -> None:
        """Files that the processes behind the port were started with may have changed."""

    def _dismiss(self, standby: Standby) -> None:
        process = standby.dismiss()
        if process is not None:
            self._dismissed.append(process)

    def wait_for_death(self, timeout_s: float) -> None:
        """Sleeps until a process has died that nobody has reaped, or for ``timeout_s``."""
        with ExitStack() as stack:
            watched = select.poll()
            try:
                for managed in self._processes:
                    if managed.process is not None and managed.process.returncode is None:
                        pid_fd = os.pidfd_open(managed.process.pid)
                        stack.callback(os.close, pid_fd)
                        watched.register(pid_fd, select.POLLIN)
            except OSError:  # a kernel before 5.3: whoever died is found when the time is up
                time.sleep(timeout_s)
                return
            watched.poll(timeout_s * 1000)

    def signal_ready(self, name: str, number: int) -> None:
        """Sends a signal to those of a kind that are ready: others have no handler yet."""
        for managed in self._processes:
            if managed.name == name and managed.process is not None and managed.is_ready:
                managed.process.send_signal(number)

    def retire(self, name: str, number: int) -> Callable[[], bool]:
        """Sends a signal to the processes of a kind, which end by it; nobody takes their places.

        Returns what tells whether all of them have ended.
        """
        leaving = [m for m in self._processes if m.name == name]
        self._processes = [m for m in self._processes if m.name != name]
        processes = [m.process for m in leaving if m.process is not None]
        for process in processes:
            if process.poll() is None:
                process.send_signal(number)
        self._dismissed += processes
        for managed in leaving:
            if managed.standby is not None:
                self._dismiss(managed.standby)
        return lambda: all(process.poll() is not None for process in processes)

    def close(self) -> None:
        """Stops every process, by SIGTERM and then by SIGKILL, and frees the plane."""
        if self._exchange is not None:
            self._exchange.close()
        for managed in self._processes:
            if managed.standby is not None:
                self._dismiss(managed.standby)
        living = [m.process for m in self._processes if m.process is not None]
        living += self._dismissed
        for process in living:
            if process.poll() is None:
                process.terminate()
        deadline_s = time.monotonic() + STOP_TIMEOUT_S
        for process in living:
            try:
                process.wait(max(0.0, deadline_s - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        os.close(self._lifeline_write)
        os.close(self._lifeline_read)
        self.bells.close()
        self.plane.close()

    def _spawn(self, managed: ManagedProcess, now_s: float) -> None:
        """Fills the place with its next generation: with the one that stands by, if one does.

        Not yet, if that one was left by a process that has died since, and is about to say so.
        """
        standby = managed.standby
        born_by_s = managed.restart_at_s + BORN_WITHIN_S
        if standby is not None and standby.is_expected and now_s < born_by_s:
            return
        managed.generation += 1
        managed.started_s, managed.ready_s = now_s, None
        if managed.stands_by and managed.generation == 1:
            standby = self._start_standby(managed)  # what it leaves shares its memory
        if standby is not None and standby.is_running:
            managed.process, managed.standby = standby.promote(managed.generation)
        else:
            managed.process = self._launch(managed)

    def _launch(
        self, managed: ManagedProcess, turn_fd: int | None = None
    ) -> subprocess.Popen[bytes]:
        arguments = ChildArguments(
            index=managed.index,
            generation=managed.generation,
            plane_fd=self.plane.fd,
            bell_fds=self.bells.fds,
            lifeline_fd=self._lifeline_read,
            settings=managed.settings,
            logs=replace(self._logs, process=f"{managed.name} {managed.index}"),
            turn_fd=turn_fd,
            leaves_another=managed.leaves_another,
        )
        inherited = (self.plane.fd, *self.bells.fds, self._lifeline_read, *managed.extra_fds)
        return subprocess.Popen(
            [sys.executable, "-m", managed.module, arguments.to_json()],
            pass_fds=inherited if turn_fd is None else (*inherited, turn_fd),
            stdin=subprocess.DEVNULL,
            process_group=0,  # a Ctrl-C in the terminal is for the supervisor alone
        )

    def _is_stuck(self, managed: ManagedProcess, now_s: float) -> bool:
        """Whether it does not go round its loop any more, or never came to it."""
        if managed.is_ready:
            return managed.line.heartbeat_age_ms(int(now_s * 1e9)) > STALE_AFTER_MS
        return now_s - managed.started_s > START_TIMEOUT_S

    def _schedule_restart(self, managed: ManagedProcess, code: int, now_s: float) -> str:
        if managed.ready_s is not None and now_s - managed.ready_s > FORGIVEN_AFTER_S:
            managed.failures = 0
        back_off_s = BACK_OFF_S[min(managed.failures, len(BACK_OFF_S) - 1)]
        managed.failures += 1
        managed.process = None
        managed.restart_at_s = now_s + back_off_s
        return f"{managed.name} {managed.index} ended (exit {code}); restart in {back_off_s:g} s"
