"""Many seeds of the recovery simulations: ``python -m bench.simulation [--seeds 50000]``.

Each seed is a world of its own in which the real code of rings, lanes, commits and decoders is
scheduled and crashed at random (`tests/gpu_worker/simulation.py`, and with a link between two
machines `tests/server/tiers/world.py`). The tests run the first few; this runs as many as there is
time for, on every core, and exits 1 with the seeds that lost, doubled or changed a final.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Final

from tests.gpu_worker import test_recovery_simulation as one_machine
from tests.server.tiers import test_recovery_simulation as two_tiers

CHECKS: Final[dict[str, Callable[[int], None]]] = {
    "one machine": one_machine.check,
    "two tiers": two_tiers.check,
}
BATCH: Final = 10


def main() -> int:
    """Runs the seeds and prints progress; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m bench.simulation", description=__doc__)
    parser.add_argument("--seeds", type=int, default=50_000, help="of each world")
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--world", choices=sorted(CHECKS), action="append")
    options = parser.parse_args()
    seeds = range(options.first, options.first + options.seeds)
    failed = 0
    with multiprocessing.Pool(os.cpu_count()) as pool:
        for world in options.world or CHECKS:
            began_s = time.monotonic()
            reasons = pool.imap_unordered(partial(_failure, world), seeds, BATCH)
            for done, reason in enumerate(reasons, start=1):
                if reason is not None:
                    failed += 1
                    print(f"FAIL: {world}, {reason}", flush=True)
                if done % (1000 if done >= 1000 else 100) == 0 or done == len(seeds):
                    took_s = time.monotonic() - began_s
                    print(f"{world}: {done} seeds in {took_s:.0f} s, {failed} failed", flush=True)
    return 1 if failed else 0


def _failure(world: str, seed: int) -> str | None:
    try:
        CHECKS[world](seed)
    except AssertionError as error:
        return f"seed {seed}: {error}"
    return None


if __name__ == "__main__":
    sys.exit(main())
