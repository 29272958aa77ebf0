"""The command as a whole."""

from __future__ import annotations

import subprocess
import sys


def test_mistakes_end_with_one_line_and_status_2() -> None:
    command = [sys.executable, "-m", "bench.eval", "--manifest", "no/such.jsonl"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert ended.stderr.startswith("error: no manifest can be read at no/such.jsonl")
    assert len(ended.stderr.splitlines()) == 1
