"""What is said of an audit: a database that knows nothing is no success."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bench.audit import CLEAN, NOT_CHECKED, VULNERABLE, Outcome, asked, outcome_of, said, status_of

FINE = {"name": "numpy", "version": "1.26.4", "vulns": []}
FAULTY = {
    "name": "old",
    "version": "1.0",
    "vulns": [{"id": "PYSEC-1", "fix_versions": ["1.1", "2.0"]}, {"id": "X", "fix_versions": []}],
}
UNKNOWN = {"name": "ours", "skip_reason": "Dependency not found on PyPI"}


@pytest.mark.parametrize(
    ("packages", "status", "word"),
    [
        ([FINE], CLEAN, "1 packages checked, 0 known"),
        ([FINE, FAULTY], VULNERABLE, "old 1.0: PYSEC-1, mended in 1.1, 2.0"),
        ([FINE, FAULTY], VULNERABLE, "X, mended in no version yet"),
        ([FAULTY, UNKNOWN], VULNERABLE, "1 packages WERE NOT CHECKED"),
        ([FINE, UNKNOWN], NOT_CHECKED, "1 packages WERE NOT CHECKED"),
        ([UNKNOWN], NOT_CHECKED, "NOTHING WAS CHECKED"),
        ([], NOT_CHECKED, "NOTHING WAS CHECKED"),
    ],
)
def test_a_report(packages: list[dict[str, Any]], status: int, word: str) -> None:
    outcome = outcome_of({"dependencies": packages})
    assert status_of([outcome]) == status
    assert word in said("pypi", outcome)


def test_a_second_database_may_have_what_the_first_has_not() -> None:
    none, all_of_them = Outcome(0, 3, ()), Outcome(3, 0, ())
    assert status_of([none, all_of_them]) == CLEAN
    assert status_of([none, none]) == NOT_CHECKED
    assert status_of([Outcome(1, 2, ("old",)), all_of_them]) == VULNERABLE


def test_without_a_report_nothing_was_checked(tmp_path: Path) -> None:
    """Such as without pip-audit, or where nobody can be reached."""
    outcome = asked("pypi", tmp_path / "there is no such file")
    assert status_of([outcome]) == NOT_CHECKED
    assert "NOTHING WAS CHECKED" in said("pypi", outcome)
    assert outcome.trouble
