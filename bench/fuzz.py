"""Every parser of bytes from outside, fuzzed for as long as there is time: ``make fuzz``.

    python -m bench.fuzz [--seconds 300] [--target NAME ...]

With atheris (``pip install -e .[fuzz]``) inputs are chosen by the code that they reach; without it
hypothesis draws them as in the tests, and this says so. Each target (`tests/fuzz/targets.py`) has a
process of its own and an equal share of the time. Exits 1 where one raised what it may not, ran for
more than `LONGEST_S` or took more than `MOST_MB`; what did it is kept in the folder that is named.
"""

from __future__ import annotations

import argparse
import importlib.util
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

LONGEST_S: Final = 10
MOST_MB: Final = 2048
LONGEST_BYTES: Final = 4096
OURS: Final = ["server", "shm", "models", "realtime_client", "tools", "gpu_worker", "websockets"]
"""What atheris watches, the library that reads frames included."""
_RUNS: Final = re.compile(r"Done (\d+) runs|(\d+) examples")


def main() -> int:
    """Runs the targets one after the other; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.fuzz", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("--seconds", type=int, default=300, help="for all of them together")
    parser.add_argument("--target", action="append", help="one of them, repeatable (all)")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one is not None:
        _fuzz(options.one, options.seconds)
        return 0
    by = "atheris" if importlib.util.find_spec("atheris") else "hypothesis, as there is no atheris"
    from tests.fuzz.targets import TARGETS

    names = options.target or [target.name for target in TARGETS]
    share_s = max(1, options.seconds // len(names))
    print(f"{len(names)} targets, {share_s} s each, by {by}", flush=True)
    failed = [name for name in names if not _passes(name, share_s)]
    print(f"failed: {', '.join(failed)}" if failed else "none failed")
    return 1 if failed else 0


def _passes(name: str, seconds: int) -> bool:
    """Fuzzes one target in a child and prints how it went."""
    command = [sys.executable, "-m", "bench.fuzz", "--one", name, "--seconds", str(seconds)]
    child = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    if child.returncode != 0:
        print(f"{name}: FAILED\n{child.stdout[-2000:]}{child.stderr[-4000:]}", flush=True)
        return False
    runs = _RUNS.findall(child.stderr + child.stdout)
    count = "".join(runs[-1]) if runs else "an unknown number of"
    print(f"{name}: {count} inputs", flush=True)
    return True


def _fuzz(name: str, seconds: int) -> None:
    if importlib.util.find_spec("atheris"):
        _fuzz_by_coverage(name, seconds)
    else:
        _fuzz_by_examples(name, seconds)


def _fuzz_by_coverage(name: str, seconds: int) -> None:
    """Ends the process."""
    import atheris

    with atheris.instrument_imports(include=OURS):
        from tests.fuzz.targets import TARGETS
    (target,) = [target for target in TARGETS if target.name == name]
    folder = Path(tempfile.mkdtemp(prefix="fuzz-corpus-"))
    for number, seed in enumerate(target.seeds):
        (folder / f"seed-{number}").write_bytes(seed)
    arguments = [
        "fuzz", str(folder), f"-max_total_time={seconds}", f"-timeout={LONGEST_S}",
        f"-rss_limit_mb={MOST_MB}", f"-max_len={LONGEST_BYTES}", f"-artifact_prefix={folder}/",
    ]  # fmt: skip
    atheris.Setup(arguments, target.run)
    atheris.Fuzz()


def _fuzz_by_examples(name: str, seconds: int) -> None:
    from hypothesis import HealthCheck, given, settings

    from tests.fuzz.targets import TARGETS
    from tests.fuzz.test_targets import inputs

    (target,) = [target for target in TARGETS if target.name == name]
    count = 0

    @settings(
        max_examples=200,
        deadline=LONGEST_S * 1000,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(inputs(target))
    def check(data: bytes) -> None:
        nonlocal count
        count += 1
        target.run(data)

    end_s = time.monotonic() + seconds
    while time.monotonic() < end_s:
        check()
    print(f"{count} examples")


if __name__ == "__main__":
    sys.exit(main())
