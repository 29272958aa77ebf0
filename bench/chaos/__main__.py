"""A server under load to which something is done; every final must be that of an undisturbed run.

    python -m bench.chaos [SCENARIO|all] [--streams 6] [-- FLAGS OF THE SERVER]

``kills``: processes of the engine die or hang at random. ``frontends``: those die that hold the
clients' connections, and the clients come back. ``overload``: ten times as many clients
ask for a stream as there is room for. ``attack``: clients that do what they can to be a nuisance.
``drain``: files are read again (SIGHUP), then the server is stopped (SIGTERM). ``takeover``:
another server takes the port over, again and again. ``reload``: the language model is exchanged.
Without a name they all run, one after the other. Each prints a table; the exit status is 1 if
something is not as it should be.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from bench.chaos import attack, drain, frontends, kills, overload, reload, takeover
from bench.chaos.rounds import ChaosError

SCENARIOS: Final[dict[str, ModuleType]] = {
    "kills": kills,
    "frontends": frontends,
    "overload": overload,
    "attack": attack,
    "drain": drain,
    "takeover": takeover,
    "reload": reload,
}
"""Each has ``add_options(add)``, for its part of the command line, and ``run(options)``, which
returns an `Outcome` or raises a `ChaosError`."""
ALL: Final = "all"


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs them and prints their tables; returns the exit status."""
    options = parsed(sys.argv[1:] if arguments is None else arguments)
    figures: dict[str, Any] = {}
    failed = False
    for name in SCENARIOS if options.scenario == ALL else [options.scenario]:
        print(f"\n# {name}", flush=True)
        began_s = time.monotonic()
        try:
            outcome = SCENARIOS[name].run(options)
        except ChaosError as error:
            print(f"FAIL, undisturbed: {error}", flush=True)
            failed = True
            continue
        for line in (*outcome.lines, *(f"FAIL: {line}" for line in outcome.failures)):
            print(line)
        print(f"({time.monotonic() - began_s:.0f} s)", flush=True)
        figures[name] = outcome.figures | {"failures": outcome.failures}
        failed |= bool(outcome.failures)
    if options.output is not None:
        options.output.write_text(json.dumps(figures, indent=1))
    return 1 if failed else 0


def parsed(arguments: Sequence[str]) -> argparse.Namespace:
    """The command line; what is behind ``--`` is for the server."""
    ours, separator, servers = list(arguments), "--", []
    if separator in ours:
        at = ours.index(separator)
        ours, servers = ours[:at], ours[at + 1 :]
    parser = argparse.ArgumentParser(
        prog="python -m bench.chaos",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("scenario", nargs="?", choices=[*SCENARIOS, ALL], default=ALL)
    add("--streams", type=int, default=6)
    add("--seconds", type=float, default=60.0, help="that each phase of the others lasts")
    add("--seed", type=int, default=1)
    add("--output", type=Path, help="the figures as JSON")
    for name, scenario in SCENARIOS.items():
        scenario.add_options(parser.add_argument_group(name).add_argument)
    options = parser.parse_args(ours)
    options.server_flags = servers
    return options


if __name__ == "__main__":
    sys.exit(main())
