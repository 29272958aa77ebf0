from __future__ import annotations

from pathlib import Path

import numpy as np

from tests.tools.lm.sums import assert_sums_to_one
from tests.tools.lm.tiny import FARM, write
from tools.lm.arpa import load_arpa
from tools.lm.normalising import normalise


def test_every_context_sums_to_one(tmp_path: Path) -> None:
    model = load_arpa(write(tmp_path, FARM))
    first = model.levels[0].log10
    first -= np.log10((10.0**first).sum())  # 1-grams are what the others are completed from
    normalise(model)
    assert_sums_to_one(model)


def test_a_context_that_nothing_follows_costs_nothing(tmp_path: Path) -> None:
    model = load_arpa(write(tmp_path, FARM))
    normalise(model)
    assert model.levels[0].backoff[model.ids["</s>"]] == 0
    assert not model.levels[-1].backoff.any()
