"""docs/SETTINGS.md says what the code does."""

from __future__ import annotations

import re

import pytest

from bench import settings_page
from server import config
from server.config import Setting
from tests.docs.pages import page


def test_the_page_is_up_to_date() -> None:
    assert page("SETTINGS.md") == settings_page.page(), (
        "run python -m bench.settings_page --write and commit docs/SETTINGS.md"
    )


def test_every_setting_has_a_line() -> None:
    flags = re.findall(r"^\| `(--[\w-]+)`", page("SETTINGS.md"), re.MULTILINE)
    settings = [setting for group in settings_page.groups().values() for setting in group]
    assert flags == [setting.flag for setting in settings]
    assert {"--beam-size", "--ssl-cert"} <= set(flags)


def test_every_line_names_a_command() -> None:
    lines = [line for line in page("SETTINGS.md").splitlines() if line.startswith("| `--")]
    assert all(re.search(r"\| [\w-]+(, [\w-]+)* \|$", line) for line in lines)


def test_a_group_without_a_title_does_not_go_unnoticed(monkeypatch: pytest.MonkeyPatch) -> None:
    added = (Setting("--more", None, "", str, "more"),)
    monkeypatch.setattr(config, "MORE_SETTINGS", added, raising=False)
    with pytest.raises(ValueError, match="MORE_SETTINGS"):
        settings_page.page()


def test_nothing_of_this_machine_is_on_the_page() -> None:
    assert str(settings_page.PAGE.parents[1]) not in page("SETTINGS.md")
