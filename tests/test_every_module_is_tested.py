"""Every module has a test file of its name, in the folder of its package's name under tests/."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGES = (
    "gpu_worker",
    "models",
    "realtime_client",
    "server",
    "shm",
    "spoken_form",
    "tools/lm",
    "tools/loadtest",
    "tools/moonshine",
    "tools/train",
    "tools/whisper",
)

TESTED_ELSEWHERE = {
    "gpu_worker/__main__.py": "a process of its own: the tests that start the server",
    "gpu_worker/acoustic/contract.py": "a protocol: kept by the models that the others test",
    "gpu_worker/check.py": "a process of its own: the tests of server/doctor.py",
    "gpu_worker/decoder.py": "a process of its own: the tests that start the server",
    "gpu_worker/second_pass/__main__.py": "a process of its own: the tests that start the server",
    "server/tiers/link_process.py": "a process of its own: tests/robustness/test_two_tiers.py",
    "server/tiers/listener.py": "a process of its own: tests/robustness/test_two_tiers.py",
    "tools/lm/__main__.py": "calls the function that tests/tools/lm/test_cli.py tests",
    "tools/loadtest/__main__.py": "calls the function that tests/tools/loadtest/test_cli.py tests",
    "tools/train/__main__.py": "calls the function that tests/tools/train/test_cli.py tests",
}
"""Modules without a test file, and what tests them."""


def modules() -> set[str]:
    return {
        path.relative_to(ROOT).as_posix()
        for package in PACKAGES
        for path in (ROOT / package).rglob("*.py")
        if path.name != "__init__.py"
    }


def expected_test_of(module: str) -> str:
    path = Path(module)
    return (Path("tests") / path.parent / f"test_{path.name}").as_posix()


def test_every_module_has_a_test_file() -> None:
    untested = sorted(
        f"{module}: write {expected_test_of(module)}"
        for module in modules() - set(TESTED_ELSEWHERE)
        if not (ROOT / expected_test_of(module)).is_file()
    )
    assert not untested, "\n".join(
        ["modules without a test file (or name what tests them in TESTED_ELSEWHERE):", *untested]
    )


def test_every_exception_is_still_one() -> None:
    gone = sorted(set(TESTED_ELSEWHERE) - modules())
    assert not gone, f"no such module any more: {', '.join(gone)}"
    tested = sorted(name for name in TESTED_ELSEWHERE if (ROOT / expected_test_of(name)).is_file())
    assert not tested, f"has a test file of its own now: {', '.join(tested)}"
