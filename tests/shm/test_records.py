from __future__ import annotations

import dataclasses
import subprocess
import sys

import pytest

from shm.records import Hypothesis, Word


def test_values_are_equal_by_content_and_cannot_change() -> None:
    word = Word("hello", 0.9, 0, 400, stable=True)
    assert word == Word("hello", 0.9, 0, 400, stable=True)
    assert hash(Hypothesis((word,), 0.9, True)) == hash(Hypothesis((word,), 0.9, True))
    for value, field in ((word, "text"), (Hypothesis((), 0.0, False), "words")):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(value, field, "other")


def test_the_shared_values_bring_no_framework_with_them() -> None:
    """Both sides of the plane import them, so they may import nothing heavy."""
    code = "import sys, shm.records; print({'numpy', 'torch', 'asyncio'} & set(sys.modules))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "set()"
