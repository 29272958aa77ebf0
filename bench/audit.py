"""Known vulnerabilities of what is installed beside us: ``make audit``.

    python -m bench.audit [--requirements constraints.txt] [--service pypi] [--lenient]

Asks pip-audit about the pinned versions. Exit status 0: every package was looked up and nothing is
known; 1: something is known, and it is named; 3: some packages could not be looked up, so that
nothing is known of these. pip-audit itself calls it a success when a database knows none of the
packages, as an index without advisories does; here that is said.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

CLEAN: Final = 0
VULNERABLE: Final = 1
NOT_CHECKED: Final = 3
SERVICES: Final = ("pypi", "osv")
TIMEOUT_S: Final = 300


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one database knows: of ``checked`` packages; there are ``unknown`` ones."""

    checked: int
    unknown: int
    known: tuple[str, ...]
    trouble: str = ""


def main() -> int:
    """Asks one database after the other until one has all packages; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.audit", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("--requirements", type=Path, default=Path("constraints.txt"))
    parser.add_argument("--service", action="append", choices=SERVICES, help="in turn (both)")
    parser.add_argument(
        "--lenient", action="store_true", help="exit 0 where packages could not be looked up"
    )
    options = parser.parse_args()
    outcomes = []
    for service in options.service or SERVICES:
        outcome = asked(service, options.requirements)
        outcomes.append(outcome)
        print(said(service, outcome), flush=True)
        if status_of([outcome]) != NOT_CHECKED:
            break
    status = status_of(outcomes)
    if status == NOT_CHECKED and options.lenient:
        print("WARNING: the audit was not complete, and that is let pass", file=sys.stderr)
        return CLEAN
    return status


def status_of(outcomes: list[Outcome]) -> int:
    """The exit status: what any database knows counts, and one that has all packages is enough."""
    if any(outcome.known for outcome in outcomes):
        return VULNERABLE
    whole = any(outcome.checked and not outcome.unknown for outcome in outcomes)
    return CLEAN if whole else NOT_CHECKED


def said(service: str, outcome: Outcome) -> str:
    """The outcome in words, what is known one a line."""
    if outcome.trouble:
        return f"{service}: NOTHING WAS CHECKED, the database cannot be reached: {outcome.trouble}"
    if not outcome.checked:
        return f"{service}: NOTHING WAS CHECKED, it knows none of the {outcome.unknown} packages"
    lines = [f"{service}: {outcome.checked} packages checked, {len(outcome.known)} known faults"]
    if outcome.unknown:
        lines.append(
            f"{service}: {outcome.unknown} packages WERE NOT CHECKED, it knows none of them"
        )
    return "\n".join([*lines, *outcome.known])


def asked(service: str, requirements: Path) -> Outcome:
    """What ``service`` knows of the pinned packages in a file."""
    command = [
        sys.executable, "-m", "pip_audit", "--requirement", str(requirements), "--no-deps",
        "--disable-pip", "--format", "json", "--progress-spinner", "off",
        "--vulnerability-service", service,
    ]  # fmt: skip
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=TIMEOUT_S
        )
    except subprocess.TimeoutExpired:
        return Outcome(0, 0, (), f"it has not answered within {TIMEOUT_S} s")
    try:
        return outcome_of(json.loads(done.stdout))
    except (ValueError, KeyError, TypeError):
        lines = done.stderr.strip().splitlines() or [f"pip-audit ended with {done.returncode}"]
        return Outcome(0, 0, (), lines[-1][:300])


def outcome_of(report: dict[str, Any]) -> Outcome:
    """Reads pip-audit's report. Raises KeyError or TypeError where it is none."""
    packages = report["dependencies"]
    checked = [package for package in packages if "skip_reason" not in package]
    known = tuple(
        f"  {package['name']} {package['version']}: {fault['id']}, mended in "
        f"{', '.join(fault['fix_versions']) or 'no version yet'}"
        for package in checked
        for fault in package["vulns"]
    )
    return Outcome(len(checked), len(packages) - len(checked), known)


if __name__ == "__main__":
    sys.exit(main())
