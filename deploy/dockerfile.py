"""Reads a Dockerfile into stages and instructions, as far as this project's own one goes.

Pure. Continued lines, comments within them, build arguments and environment variables in
instructions, shell and JSON forms. What it does not know is an error, so that nothing of the file
goes unchecked.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

KNOWN: Final = (
    "ARG", "CMD", "COPY", "ENTRYPOINT", "ENV", "EXPOSE", "FROM", "HEALTHCHECK", "LABEL", "RUN",
    "USER", "WORKDIR",
)  # fmt: skip
_VARIABLE: Final = re.compile(r"\$\{(\w+)\}|\$(\w+)")
_PAIR: Final = re.compile(r'([\w.]+)=(?:"([^"]*)"|(\S*))\s*')
_FROM: Final = re.compile(r"(?P<base>\S+)(?:\s+AS\s+(?P<name>\S+))?")


class DockerfileError(ValueError):
    """A line that this reader does not understand."""


@dataclass(frozen=True, slots=True)
class Instruction:
    """``text`` is what follows the keyword, its continued lines joined by spaces."""

    line: int
    keyword: str
    text: str


@dataclass(slots=True)
class Stage:
    """``base`` is an image, or a stage before it by name. ``name`` is empty for the last one."""

    base: str
    name: str
    instructions: list[Instruction] = field(default_factory=list)


def stages(dockerfile: str, arguments: Mapping[str, str]) -> list[Stage]:
    """All stages, with ``arguments`` as of ``--build-arg`` put in where ``FROM`` uses them.

    Raises:
        DockerfileError: an instruction outside of a stage, or one that is not known.
    """
    values: dict[str, str] = {}
    found: list[Stage] = []
    for instruction in instructions(dockerfile):
        if instruction.keyword == "ARG" and not found:
            name, _, default = instruction.text.partition("=")
            values[name] = arguments.get(name, default)
        elif instruction.keyword == "FROM":
            matched = _FROM.fullmatch(expand(instruction.text, values))
            if matched is None:
                raise DockerfileError(f"line {instruction.line}: FROM {instruction.text}")
            found.append(Stage(matched["base"], matched["name"] or ""))
        elif not found:
            raise DockerfileError(f"line {instruction.line}: {instruction.keyword} before FROM")
        else:
            found[-1].instructions.append(instruction)
    return found


def needed(all_stages: list[Stage]) -> list[Stage]:
    """The stages that the last one is made of, in the file's order."""
    by_name = {stage.name: stage for stage in all_stages if stage.name}
    wanted: list[Stage] = []
    waiting = [all_stages[-1]]
    while waiting:
        stage = waiting.pop()
        if stage in wanted:
            continue
        wanted.append(stage)
        sources = [copied_from(i) for i in stage.instructions if i.keyword == "COPY"]
        waiting += [by_name[name] for name in (stage.base, *sources) if name in by_name]
    return [stage for stage in all_stages if stage in wanted]


def instructions(dockerfile: str) -> list[Instruction]:
    """Every instruction with the number of its first line.

    Raises:
        DockerfileError: a keyword that is not known.
    """
    found: list[Instruction] = []
    parts: list[str] = []
    first = 0
    for number, raw in enumerate(dockerfile.splitlines(), 1):
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        first = first if parts else number
        parts.append(line.removesuffix("\\").strip())
        if line.endswith("\\"):
            continue
        keyword, _, text = " ".join(parts).partition(" ")
        if keyword not in KNOWN:
            raise DockerfileError(f"line {first}: {keyword} is not one of {', '.join(KNOWN)}")
        found.append(Instruction(first, keyword, text))
        parts = []
    return found


def expand(text: str, values: Mapping[str, str]) -> str:
    """``text`` with ``$NAME`` and ``${NAME}`` replaced; an unknown name becomes nothing."""
    return _VARIABLE.sub(lambda match: values.get(match[1] or match[2], ""), text)


def pairs(text: str) -> dict[str, str]:
    """The ``NAME=value`` of an ENV or a LABEL.

    Raises:
        DockerfileError: anything between them.
    """
    if _PAIR.sub("", text):
        raise DockerfileError(f"not all of this is NAME=value: {text}")
    return {name: quoted or bare for name, quoted, bare in _PAIR.findall(text)}


def words(text: str) -> list[str]:
    """The arguments of a CMD, ENTRYPOINT or health check in JSON form."""
    try:
        found: list[str] = json.loads(text[text.index("[") :])
    except ValueError:
        raise DockerfileError(f'use the JSON form, ["program", "argument"]: {text}') from None
    return found


def copied_from(copy: Instruction) -> str:
    """The stage of a ``COPY --from``, or nothing for the build context."""
    first = copy.text.split()[0]
    return first.removeprefix("--from=") if first.startswith("--from=") else ""


def copied(copy: Instruction) -> tuple[list[str], str]:
    """Sources and target of a COPY."""
    *sources, target = [word for word in copy.text.split() if not word.startswith("--")]
    return sources, target
