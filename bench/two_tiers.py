"""What the second tier costs: the same speech against one machine and against two, in one run.

``python -m bench.two_tiers`` starts a server of each kind and sends both the same clips in turn, in
real time. It compares, clip by clip, how long after `done` the final came, and when each partial
came after the clip's begin. Both servers live throughout and pairs are compared, since a busy
machine slows both. All is on the loopback: a network adds its own round trip.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any, Final

from websockets.sync.client import ClientConnection, connect

from tests.conformance.client import message_limit, pcm_bytes, query
from tests.conformance.server_process import ServerProcess
from tests.conformance.speech import RATE_HZ, clips
from tests.conformance.two_tiers import TwoTiers

FLAGS: Final = ("--beam-size", "100", "--slots", "4", "--intermed-partials")
MESSAGE_S: Final = 0.128
PATIENCE_S: Final = 60.0


class Speaker:
    """One connection; every message is noted with the time at which it came."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection
        self._arrived: list[tuple[float, dict[str, Any]]] = []
        self._is_final = threading.Event()
        threading.Thread(target=self._listen, daemon=True).start()

    def say(self, data: bytes) -> tuple[str, float, list[float]]:
        """One utterance: its final, ms from `done` to it, and ms from its begin to each partial."""
        self._arrived.clear()
        self._is_final.clear()
        begun_s = time.monotonic()
        step = message_limit(RATE_HZ)
        for number, start in enumerate(range(0, len(data), step), start=1):
            time.sleep(max(0.0, begun_s + number * MESSAGE_S - time.monotonic()))
            self._connection.send(data[start : start + step])
        asked_s = time.monotonic()
        earlier = " ".join(m["text"] for _, m in self._arrived if m["isFinal"])
        self._is_final.clear()
        self._connection.send("done")
        assert self._is_final.wait(PATIENCE_S), "no final came"
        final_s, final = self._arrived[-1]
        partials = [(at - begun_s) * 1000 for at, m in self._arrived if not m["isFinal"]]
        return f"{earlier} {final['text']}".strip(), (final_s - asked_s) * 1000, partials

    def _listen(self) -> None:
        for text in self._connection:
            message = json.loads(text)
            if "isFinal" in message:
                self._arrived.append((time.monotonic(), message))
                if message["isFinal"]:
                    self._is_final.set()


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints the comparison; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m bench.two_tiers", description=__doc__)
    parser.add_argument("--clips", type=int, default=8, help="how many (default: 8)")
    options = parser.parse_args(arguments)
    finals: list[tuple[float, float]] = []
    partials: list[tuple[float, float]] = []
    same = 0
    with ExitStack() as stack:
        speakers = []
        for kind in (ServerProcess, TwoTiers):
            server = stack.enter_context(kind(*FLAGS))
            connection = connect(server.url + query(), proxy=None, max_queue=None)
            speakers.append(Speaker(stack.enter_context(connection)))
        for number, clip in enumerate(clips(options.clips)):
            data = pcm_bytes(clip.audio)
            turns = (0, 1) if number % 2 else (1, 0)
            heard = {turn: speakers[turn].say(data) for turn in turns}
            same += heard[0][0] == heard[1][0]
            finals.append((heard[0][1], heard[1][1]))
            partials += zip(heard[0][2], heard[1][2], strict=False)
    print(f"{len(finals)} clips, {same} of them with the same text over both")
    print(_comparison("done to final", finals))
    print(_comparison("begin to partial", partials))
    return 0 if same == len(finals) else 1


def _comparison(what: str, pairs: Sequence[tuple[float, float]]) -> str:
    differences = sorted(two - one for one, two in pairs)
    one, two = (statistics.median(pair[side] for pair in pairs) for side in (0, 1))
    ratio = statistics.median(two / one for one, two in pairs)
    return (
        f"{what:<17} {len(pairs):4} pairs  medians {one:7.1f} and {two:7.1f} ms  difference "
        f"{statistics.median(differences):+6.1f} ms ({differences[0]:+.1f} to "
        f"{differences[-1]:+.1f})  ratio {ratio:.3f}"
    )


if __name__ == "__main__":
    sys.exit(main())
