"""Packages of the extra."""

from __future__ import annotations

import json

import pytest

from bench.eval.errors import EvalError
from bench.eval.extras import extra


def test_a_package_that_is_there() -> None:
    assert extra("json") is json


def test_a_missing_package_says_how_to_install_it() -> None:
    with pytest.raises(EvalError, match=r"pip install -e '\.\[eval\]'"):
        extra("no_such_package_at_all")
