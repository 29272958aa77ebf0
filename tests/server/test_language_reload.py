"""When a language model is read again, and when an older one is let go: without processes."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from server.exchange import Exchange
from server.language_files import LanguageFilesError
from server.language_reload import LanguageReload
from shm.decoder_slot import DecoderSlot
from shm.doorbells import Doorbells
from shm.frontend_slot import FrontendSlot
from shm.plane import Plane
from tests.conformance.waiting import wait_until
from tests.gpu_worker.tiny import TINY, geometry_of
from tests.server.processes import open_descriptors


class Exchanging:
    """An exchange that ends as the test says."""

    is_over = False
    is_refused = False


class Slot:
    """One slot, whose decoder has begun a segment with a model."""

    def __init__(self) -> None:
        self.plane = Plane.create(geometry_of(TINY))
        self.bells = Doorbells.create(self.plane.geometry)
        self.client = FrontendSlot.begin(self.plane, self.bells, 0, frontend=0)

    def begin(self, number: int) -> None:
        decoder = DecoderSlot(self.plane, self.bells, 0)
        session = decoder.session()
        assert session is not None
        decoder.language_of(session.epoch, session.base_sample, number)


@pytest.fixture
def slot() -> Iterator[Slot]:
    slot = Slot()
    yield slot
    slot.bells.close()
    slot.plane.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    found = tmp_path / "lm.bin"
    found.write_text("first")
    return found


def numbers(reload: LanguageReload) -> list[Any]:
    return [settings["number"] for settings in reload.settings]


def take(reload: LanguageReload, path: Path, text: str) -> Exchanging:
    """New files are there and read; what exchanges the decoders for them."""
    path.write_text(text)
    reload.ask()
    wait_until(reload.takes, "the files are read")
    exchange = Exchanging()
    reload.follow(cast(Exchange, exchange))
    return exchange


def test_an_older_model_stays_until_its_segments_have_ended(slot: Slot, path: Path) -> None:
    before = open_descriptors()
    reload = LanguageReload(path)
    assert numbers(reload) == [1]
    assert not reload.takes(), "nobody has asked"
    slot.begin(1)
    exchange = take(reload, path, "second")
    assert numbers(reload) == [1, 2]
    assert len(reload.fds) == 2
    assert not reload.takes()
    assert not reload.sheds(slot.plane), "decoders may still begin segments with it"
    exchange.is_over = True
    assert not reload.takes()
    assert not reload.sheds(slot.plane), "a segment needs it"
    slot.client.end_session()
    assert reload.sheds(slot.plane)
    assert numbers(reload) == [2]
    assert not reload.sheds(slot.plane)
    reload.close()
    del reload
    assert open_descriptors() == before


def test_what_is_refused_is_forgotten(
    slot: Slot, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    reload = LanguageReload(path)
    exchange = take(reload, path, "broken")
    exchange.is_over = exchange.is_refused = True
    assert not reload.takes()
    assert numbers(reload) == [1]
    assert "stays as it was: the new one cannot be used" in caplog.text
    take(reload, path, "mended").is_over = True
    assert not reload.takes()
    reload.sheds(slot.plane)
    assert numbers(reload) == [2]
    reload.close()


def test_asked_during_an_exchange_it_is_read_afterwards(slot: Slot, path: Path) -> None:
    reload = LanguageReload(path)
    exchange = take(reload, path, "second")
    path.write_text("third")
    reload.ask()
    reload.ask()
    assert not reload.takes()
    exchange.is_over = True
    wait_until(reload.takes, "it is read once more")
    assert numbers(reload) == [1, 2, 3]
    reload.close()


def test_the_same_files_are_no_news(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    reload = LanguageReload(path)
    reload.ask()
    assert not reload.takes()
    assert "the same as before" in caplog.text
    assert not reload.takes()
    reload.close()


def test_files_that_are_gone_change_nothing(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    reload = LanguageReload(path)
    path.unlink()
    reload.ask()
    wait_until(lambda: not reload.takes() and "stays as it was" in caplog.text, "it is told")
    assert "lm.bin cannot be read" in caplog.text
    assert numbers(reload) == [1]
    reload.close()
    with pytest.raises(LanguageFilesError):
        LanguageReload(path)


def test_without_a_language_model_there_is_none_to_read(slot: Slot) -> None:
    reload = LanguageReload(None)
    reload.ask()
    assert not reload.takes()
    assert not reload.sheds(slot.plane)
    assert (reload.settings, reload.fds) == ([], ())
    reload.close()


def test_a_close_while_files_are_read_leaves_nothing(path: Path) -> None:
    before = open_descriptors()
    reload = LanguageReload(path)
    path.write_text("second")
    reload.ask()
    reload.takes()
    reload.close()
    del reload
    assert open_descriptors() == before
