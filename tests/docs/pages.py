"""The fenced blocks of a page of docs/."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from tests.conformance.server_process import ROOT

_FENCE: Final = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Block:
    """``language`` as behind the fence; empty where it names none."""

    language: str
    text: str


def page(name: str) -> str:
    """The text of docs/``name``."""
    return (ROOT / "docs" / name).read_text(encoding="utf-8")


def blocks(name: str, language: str | None = None) -> list[Block]:
    """The fenced blocks of docs/``name``, or those in one language."""
    found = [Block(*match) for match in _FENCE.findall(page(name))]
    return [block for block in found if language in {None, block.language}]
