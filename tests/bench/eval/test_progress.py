"""Progress lines."""

from __future__ import annotations

import pytest

from bench.eval.progress import progress


def test_items_pass_through_and_the_title_goes_to_stderr(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert list(progress(["a", "b"], "clips")) == ["a", "b"]
    said = capsys.readouterr()
    assert said.err.startswith("clips: 2\n")
    assert said.out == ""
