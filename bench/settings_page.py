"""Writes docs/SETTINGS.md from `server.config` and the parser of the command line.

``python -m bench.settings_page`` prints the page, ``--write`` replaces the one in docs/. A test
compares them, so a setting that is added, renamed or reworded without its line fails.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from models import BUNDLED_MODEL
from server import clients_config, config
from server.cli import _parser
from server.config import Setting, help_of
from server.tiers import config as tiers_config

PAGE: Final = Path(__file__).parents[1] / "docs" / "SETTINGS.md"
TITLES: Final = {
    "SERVE_SETTINGS": "The WebSocket server",
    "CLIENT_SETTINGS": "Clients of a WebSocket server",
    "LINK_SETTINGS": "A WebSocket server without an engine",
    "MODEL_SERVER_SETTINGS": "The model server",
    "ENGINE_SETTINGS": "The engine",
}
"""The heading of each group of settings in the modules that `groups` looks at."""
INTRODUCTION: Final = """\
# Settings

Made from the code by `python -m bench.settings_page --write`; do not edit.

Each setting is a flag of the commands beside it and, where one is named, an environment variable.
The flag wins over the variable, the variable over the default; an empty variable counts as not set.
What cannot be used ends the start with one line that says what would be right. Booleans are True or
False, or 1 or 0. `realtime-engine COMMAND --help` says the same."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints or replaces the page; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m bench.settings_page", description=__doc__)
    parser.add_argument("--write", action="store_true", help=f"replace {PAGE.name}")
    if parser.parse_args(arguments).write:
        PAGE.write_text(page(), encoding="utf-8")
    else:
        print(page(), end="")
    return 0


def page() -> str:
    """The whole page, in Markdown."""
    parts = [INTRODUCTION]
    for name, settings in groups().items():
        parts += [f"## {TITLES[name]}", "\n".join(_table(settings))]
    return "\n\n".join(parts) + "\n"


def groups() -> dict[str, Sequence[Setting]]:
    """Every group of settings, in the order of `TITLES`.

    Raises:
        ValueError: a group without a title.
    """
    known = vars(config) | vars(clients_config) | vars(tiers_config)
    found = {name: value for name, value in known.items() if name.endswith("_SETTINGS")}
    if untitled := sorted(set(found) - set(TITLES)):
        raise ValueError(f"TITLES names no heading for {', '.join(untitled)}")
    return {name: found[name] for name in TITLES}


def _table(settings: Sequence[Setting]) -> Iterator[str]:
    yield "| flag | variable | default | meaning | commands |"
    yield "|---|---|---|---|---|"
    for setting in settings:
        variable = f"`{setting.variable}`" if setting.variable else ""
        cells = (f"`{setting.flag}`", variable, _default(setting), setting.help, _commands(setting))
        yield f"| {' | '.join(cell.replace('|', '&#124;') for cell in cells)} |"


def _default(setting: Setting) -> str:
    if setting.default == str(BUNDLED_MODEL):
        return "the bundled one"
    return f"`{setting.default}`" if setting.default else ""


def _commands(setting: Setting) -> str:
    """The commands of the command line that take the setting: its flag, with its default."""
    (commands,) = (
        action.choices
        for action in _parser()._actions
        if isinstance(action, argparse._SubParsersAction)
    )
    taking = (
        name
        for name, parser in commands.items()
        if (action := parser._option_string_actions.get(setting.flag))
        and action.help == help_of(setting)
    )
    return ", ".join(taking)


if __name__ == "__main__":
    sys.exit(main())
