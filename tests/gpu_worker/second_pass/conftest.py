from __future__ import annotations

from collections.abc import Iterator

import pytest

from gpu_worker.partials import INTERMED_PARTIAL_MS, PARTIAL_MS
from tests.gpu_worker.second_pass.asking import AskingSlot, asking_slot


@pytest.fixture
def slot() -> Iterator[AskingSlot]:
    """The default partials, which wait for the second pass as finals do."""
    with asking_slot(PARTIAL_MS, partials=True) as slot:
        yield slot


@pytest.fixture
def eager_slot() -> Iterator[AskingSlot]:
    """A partial with every record of 6 frames or more, which waits for nothing."""
    with asking_slot(INTERMED_PARTIAL_MS, partials=False) as slot:
        yield slot
