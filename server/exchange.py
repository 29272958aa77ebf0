"""Replaces the processes of a kind, one after another, by successors with other settings.

A successor loads beside the process whose place it is to take, which serves meanwhile. Once it
stands by, loaded, the process is told to end, and the machinery that replaces the dead does the
rest: the successor begins after `waitpid` (rule R7) and replays what is under way. If the first
one cannot use the new settings, nothing has been touched and nothing will be.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Final

from server.managed_process import ManagedProcess
from server.standby import Standby
from shm.child import EXIT_UNUSABLE

AGAIN_AFTER_S: Final = 2.0
"""A successor that died while it loaded is followed by another after so long."""

Launch = Callable[[ManagedProcess, int], "subprocess.Popen[bytes]"]


class Exchange:
    """Advanced by `step`, until it `is_over`."""

    def __init__(
        self,
        places: Sequence[ManagedProcess],
        settings: dict[str, Any],
        fds: tuple[int, ...],
        launch: Launch,
        dismiss: Callable[[Standby], None],
    ) -> None:
        """``launch`` starts a successor with a descriptor for its turn; ``dismiss`` sees to the end
        of one that is not needed."""
        self._places = list(places)
        self._settings = settings
        self._fds = fds
        self._launch = launch
        self._dismiss = dismiss
        self._successor: Standby | None = None
        self._is_leaving = False
        self._again_at_s = 0.0
        self._has_begun = False
        self.is_refused = False
        """A successor says that the settings are of no use; nothing was changed."""

    @property
    def is_over(self) -> bool:
        return not self._places

    def step(self, now_s: float) -> list[str]:
        """Does what can be done now; returns what went wrong, a line each."""
        if self.is_over:
            return []
        place = self._places[0]
        if self._is_leaving:
            if place.is_ready and not place.leaves:
                self._is_leaving = False
                del self._places[0]
            return []
        if self._successor is None:
            if now_s >= self._again_at_s:
                ours = replace(place, settings=self._settings, extra_fds=self._fds)
                self._successor = Standby.start(lambda fd: self._launch(ours, fd))
            return []
        if not self._successor.is_running:
            return self._successor_ended(place, now_s)
        if self._successor.is_loaded:
            self._hand_over(place, self._successor)
        return []

    def close(self) -> None:
        """Gives it up where it stands."""
        if self._successor is not None:
            self._dismiss(self._successor)
        self._successor = None
        self._places.clear()

    def _successor_ended(self, place: ManagedProcess, now_s: float) -> list[str]:
        assert self._successor is not None, "one was started"
        ended = self._successor.dismiss()
        code = None if ended is None else ended.returncode
        self._successor = None
        if code == EXIT_UNUSABLE and not self._has_begun:
            self.is_refused = True
            self._places.clear()
            return []
        self._again_at_s = now_s + AGAIN_AFTER_S
        return [f"the successor of {place.name} {place.index} ended (exit {code}) as it loaded"]

    def _hand_over(self, place: ManagedProcess, successor: Standby) -> None:
        self._has_begun = self._is_leaving = True
        self._successor = None
        place.settings, place.extra_fds = self._settings, self._fds
        if place.standby is not None:
            self._dismiss(place.standby)
        place.standby = successor
        if place.process is not None and place.process.poll() is None:
            place.leaves = True
            place.process.terminate()
