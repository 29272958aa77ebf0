"""Every parser of bytes from outside, fuzzed for as long as there is time: ``make fuzz``.

    python -m bench.fuzz [--seconds 300] [--target NAME ...]

With atheris (``pip install -c constraints.txt -e .[fuzz]``) inputs are chosen by the code that they
reach; without it hypothesis draws them as in the tests, and this says so. Each target
(`tests/fuzz/targets.py`) has a process of its own and an equal share of the time. Exits 1 where one
raised what it may not, ran for more than `LONGEST_S` or took more than `MOST_MB`, and shows what it
said; its input is kept in the folder that is named.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import re
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from tests.fuzz.targets import Target

LONGEST_S: Final = 10
MOST_MB: Final = 3072
LONGEST_BYTES: Final = 4096
OURS: Final = ["server", "shm", "models", "realtime_client", "tools", "gpu_worker", "websockets"]
"""What atheris watches, the library that reads frames included."""
HAS_ATHERIS: Final = importlib.util.find_spec("atheris") is not None
_RUNS: Final = re.compile(r"Done (\d+) runs|(\d+) examples")


def main() -> int:
    """Runs the targets one after the other; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.fuzz", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("--seconds", type=int, default=300, help="for all of them together")
    parser.add_argument("--target", action="append", help="one of them, repeatable (all)")
    options = parser.parse_args()
    targets = [t for t in _loaded() if not options.target or t.name in options.target]
    share_s = max(1, options.seconds // len(targets))
    by = "atheris" if HAS_ATHERIS else "hypothesis, as there is no atheris"
    print(f"{len(targets)} targets, {share_s} s each, by {by}", flush=True)
    failed = [target.name for target in targets if not _passes(target, share_s)]
    print(f"failed: {', '.join(failed)}" if failed else "none failed")
    return 1 if failed else 0


def _loaded() -> list[Target]:
    """The targets, with what they parse by watched where there is atheris."""
    if HAS_ATHERIS:
        import atheris

        with atheris.instrument_imports(include=OURS):
            from tests.fuzz.targets import TARGETS
    else:
        from tests.fuzz.targets import TARGETS
    return TARGETS


def _passes(target: Target, seconds: int) -> bool:
    """Fuzzes one target in a child and prints how it went."""
    with tempfile.TemporaryFile("w+", errors="replace") as said:
        child = os.fork()
        if child == 0:
            os.dup2(said.fileno(), 1)
            os.dup2(said.fileno(), 2)
            (_fuzz_by_coverage if HAS_ATHERIS else _fuzz_by_examples)(target, seconds)
            sys.stdout.flush()
            os._exit(0)
        _, status = os.waitpid(child, 0)
        said.seek(0)
        log = said.read()
    runs = _RUNS.findall(log)
    if status != 0 or not runs:
        print(f"{target.name}: FAILED\n{log[-6000:]}", flush=True)
        return False
    print(f"{target.name}: {''.join(runs[-1])} inputs", flush=True)
    return True


def _fuzz_by_coverage(target: Target, seconds: int) -> None:
    """Ends the process."""
    import atheris

    folder = Path(tempfile.mkdtemp(prefix="fuzz-corpus-"))
    for number, seed in enumerate(target.seeds):
        (folder / f"seed-{number}").write_bytes(seed)
    arguments = [
        "fuzz", str(folder), f"-max_total_time={seconds}", f"-timeout={LONGEST_S}",
        f"-rss_limit_mb={MOST_MB}", f"-max_len={LONGEST_BYTES}", f"-artifact_prefix={folder}/",
    ]  # fmt: skip
    atheris.Setup(arguments, target.run)
    atheris.Fuzz()


def _fuzz_by_examples(target: Target, seconds: int) -> None:
    import traceback

    from hypothesis import HealthCheck, given, settings

    from tests.fuzz.test_targets import inputs

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
    try:
        while time.monotonic() < end_s:
            check()
    except BaseException:
        traceback.print_exc()
        os._exit(1)
    print(f"{count} examples")


if __name__ == "__main__":
    sys.exit(main())
