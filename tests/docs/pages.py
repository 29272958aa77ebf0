"""The fenced blocks and the links of a page of docs/."""

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


def assert_link_leads_somewhere(target: str, name: str) -> None:
    """A link of docs/``name``; those to other sites are not followed."""
    if target.startswith("https://"):
        return
    file, _, anchor = target.partition("#")
    path = (ROOT / "docs" / file) if file else ROOT / "docs" / name
    assert path.exists(), target
    if anchor:
        assert anchor in _anchors(path.read_text(encoding="utf-8")), target


def _anchors(markdown: str) -> set[str]:
    """The headings as GitHub makes anchors of them."""
    headings = re.findall(r"^#+ (.+)$", markdown, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading).lower().replace(" ", "-") for heading in headings}
