from __future__ import annotations

from collections.abc import Iterator

import pytest

from shm.doorbells import Doorbells
from shm.plane import Plane
from shm.slot_pool import SlotPool
from tests.shm.planes import SMALL


@pytest.fixture
def plane() -> Iterator[Plane]:
    plane = Plane.create(SMALL)
    yield plane
    plane.close()


@pytest.fixture
def bells() -> Iterator[Doorbells]:
    bells = Doorbells.create(SMALL)
    yield bells
    bells.close()


@pytest.fixture
def pool(plane: Plane, bells: Doorbells) -> SlotPool:
    return SlotPool(plane, bells, 0)
