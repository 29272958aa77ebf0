from __future__ import annotations

from collections.abc import Iterator

import pytest

from shm.doorbells import Doorbells
from shm.plane import Plane
from tests.gpu_worker.tiny import TINY, geometry_of

GEOMETRY = geometry_of(TINY, slots=3)


@pytest.fixture
def plane() -> Iterator[Plane]:
    """Three slots for `TINY`."""
    plane = Plane.create(GEOMETRY)
    yield plane
    plane.close()


@pytest.fixture
def bells() -> Iterator[Doorbells]:
    bells = Doorbells.create(GEOMETRY)
    yield bells
    bells.close()
