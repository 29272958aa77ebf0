"""docs/MODELS.md: fields, commands, entry points and links are those of the code."""

from __future__ import annotations

import re
import tomllib
from dataclasses import fields

import pytest

from gpu_worker.acoustic.installed import GROUP
from models.spec import ModelSpec
from tests.docs.commands import check, commands
from tests.docs.pages import assert_link_leads_somewhere, blocks, page

NAME = "MODELS.md"
PAGE = page(NAME)
COMMANDS = [command for block in blocks(NAME, "sh") for command in commands(block.text)]


def test_every_field_of_a_model() -> None:
    rows = re.findall(r"^\| (`\w+`(?:, `\w+`)*) \|", PAGE, re.MULTILINE)
    described = [name for row in rows for name in re.findall(r"\w+", row)]
    assert sorted(described) == sorted({f.name for f in fields(ModelSpec)} - {"directory"})


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command(command: str) -> None:
    check(command)


def test_the_entry_point_is_the_one_that_is_looked_up() -> None:
    (block,) = blocks(NAME, "toml")
    assert list(tomllib.loads(block.text)["project"]["entry-points"]) == [GROUP]


@pytest.mark.parametrize("target", re.findall(r"\]\(([^)\s]+)\)", PAGE))
def test_a_link(target: str) -> None:
    assert_link_leads_somewhere(target, NAME)
