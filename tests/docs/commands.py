"""Checks a command of a page against what it is for: real parsers, services, manifests, targets.

Commands of other people's programs are only known by name: they are not for a test to run.
"""

from __future__ import annotations

import importlib.util
import itertools
import re
import shlex
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import yaml

from bench.settings_page import groups
from server import cli
from tests.conformance.server_process import ROOT
from tools.lm import cli as lm_cli
from tools.loadtest.options import parse_options

OTHERS: Final = frozenset(
    [
        "apt-get",
        "cd",
        "echo",
        "git",
        "nvidia-ctk",
        "nvidia-smi",
        "openssl",
        "reboot",
        "socat",
        "systemctl",
        "ufw",
    ]
)
"""Programs that this project has no say in."""
SETTINGS: Final = {
    setting.variable: setting
    for group in groups().values()
    for setting in group
    if setting.variable
}
COMPOSE_TEXT: Final = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
SERVICES: Final = frozenset(yaml.safe_load(COMPOSE_TEXT)["services"])
COMPOSE_VARIABLES: Final = frozenset(re.findall(r"\$\{(\w+)", COMPOSE_TEXT))
_COMPOSE_COMMANDS: Final = frozenset(["build", "logs", "ps", "restart", "stop", "up"])
_KUBERNETES: Final = ROOT / "deploy" / "kubernetes"


def commands(script: str) -> list[str]:
    """The lines of a block, continued ones joined, without empty ones and comments."""
    lines = re.sub(r"\\\n\s*", " ", script).splitlines()
    return [line for line in lines if shlex.split(line, comments=True)]


def check(line: str) -> None:
    """Fails on a command that would not be understood: every part of a pipe."""
    words = shlex.split(line, comments=True)
    for is_pipe, part in itertools.groupby(words, "|".__eq__):
        if not is_pipe:
            _check(list(part))


def check_variable(name: str, value: str) -> None:
    """Fails on one that neither the compose file nor the server knows, or on a value it refuses."""
    assert name in COMPOSE_VARIABLES | set(SETTINGS), f"no such variable: {name}"
    if name in SETTINGS:
        SETTINGS[name].parse(value)


def _check(words: list[str]) -> None:
    while re.fullmatch(r"[A-Z_]+=.*", words[0]):
        check_variable(*words.pop(0).split("=", 1))
    program = Path(words[0]).name
    assert program in OTHERS or program in _OURS, f"what is {program}?"
    if program in _OURS:
        try:
            _OURS[program](words[1:])
        except SystemExit as refused:  # argparse has said why
            raise AssertionError(f"{program} does not understand {words[1:]}") from refused


def _engine(arguments: Sequence[str]) -> None:
    if arguments[0] == cli.LM:
        lm_cli._parser().parse_args(arguments[1:])
    else:
        cli._parser().parse_args(arguments)


def _docker(arguments: Sequence[str]) -> None:
    assert arguments[0] == "compose", f"docker {arguments[0]}?"
    command, *rest = arguments[1:]
    if command == "exec":
        assert rest[0] in SERVICES, rest[0]
        _check(rest[1:])
        return
    assert command in _COMPOSE_COMMANDS, f"docker compose {command}?"
    named = {word for word in rest if not word.startswith("-")}
    assert named <= SERVICES, named - SERVICES


def _make(arguments: Sequence[str]) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in arguments:
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), f"make {target}?"


def _python(arguments: Sequence[str]) -> None:
    assert arguments[0] == "-m"
    assert importlib.util.find_spec(arguments[1]) is not None, f"no module {arguments[1]}"


def _haproxy(arguments: Sequence[str]) -> None:
    assert arguments[:2] == ["-c", "-f"]
    assert (ROOT / arguments[2]).is_file(), arguments[2]


def _kubectl(arguments: Sequence[str]) -> None:
    text = "\n".join(path.read_text(encoding="utf-8") for path in _KUBERNETES.rglob("*.yaml"))
    words = list(arguments)
    if words[0] == "-n":
        assert f"namespace: {words[1]}" in text
        words = words[2:]
    if words[:2] == ["apply", "-k"]:
        assert (ROOT / words[2] / "kustomization.yaml").is_file(), words[2]
    elif words[:2] == ["apply", "-f"]:
        assert (ROOT / words[2]).is_file(), words[2]
    elif words[:3] == ["create", "secret", "generic"]:
        key = words[4].removeprefix("--from-literal=").partition("=")[0]
        assert f"secretKeyRef: {{name: {words[3]}, key: {key}}}" in text
    else:
        assert words[0] in {"get", "rollout"}, f"kubectl {words[0]}?"


_OURS: Final[dict[str, Callable[[Sequence[str]], object]]] = {
    "docker": _docker,
    "haproxy": _haproxy,
    "kubectl": _kubectl,
    "loadtest": parse_options,
    "make": _make,
    "python": _python,
    "realtime-engine": _engine,
}
