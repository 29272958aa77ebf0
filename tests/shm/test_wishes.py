from __future__ import annotations

from shm import layout
from shm.doorbells import Doorbells
from shm.frontend_slot import FrontendSlot
from shm.plane import Plane
from shm.wishes import Wish, Wishes
from tests.shm.planes import was_rung


def test_what_one_asks_for_the_other_sees(plane: Plane, bells: Doorbells) -> None:
    mine, yours = (Wishes(plane, bells, frontend) for frontend in range(2))
    session = FrontendSlot.begin(plane, bells, 2, frontend=1)
    assert yours.of_others() == []
    mine.make(2, session.epoch)
    assert was_rung(bells.frontends[1])
    assert yours.of_others() == [Wish(2, session.epoch, 0)]
    assert mine.of_others() == [], "it is its own"
    yours.granted(Wish(2, session.epoch, 0))
    assert was_rung(bells.frontends[0])
    mine.forget()
    assert yours.of_others() == []


def test_any_slot_and_epoch_can_be_wished_for(plane: Plane, bells: Doorbells) -> None:
    mine, yours = (Wishes(plane, bells, frontend) for frontend in range(2))
    line = plane.line(plane.layout.frontend_process(0))
    mine.make(0, 2**48 + 1)
    assert yours.of_others() == [Wish(0, 2**48 + 1, 0)]
    line[layout.PROCESS_WISH] = 7 << 13 | layout.MAX_SLOTS
    assert yours.of_others() == [Wish(layout.MAX_SLOTS - 1, 7, 0)]
