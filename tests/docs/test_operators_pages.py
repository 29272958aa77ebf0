"""The pages for operators: commands, variables and links are real ones."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Final

import pytest
import yaml

from server.api_keys import KEYS_VARIABLE
from server.metrics import PREFIX
from server.tiers.keys import KEY_VARIABLE
from tests.conformance.server_process import ROOT
from tests.docs.commands import COMPOSE_VARIABLES, SETTINGS, check, check_variable, commands
from tests.docs.pages import assert_link_leads_somewhere, blocks, page

PAGES: Final = ("DEPLOYING.md", "MIGRATING.md", "MODEL_SERVER.md")
LINKED: Final = (*PAGES, "CLIENTS.md", "SETTINGS.md")
COMMANDS: Final = [
    command for name in PAGES for block in blocks(name, "sh") for command in commands(block.text)
]
OTHER_VARIABLES: Final = {"TLS_CERTIFICATE", KEY_VARIABLE, KEYS_VARIABLE}
"""Of deploy/haproxy/haproxy.cfg, of the link between two tiers, and keys of clients."""
KNOWN_LANGUAGES: Final = {"sh", "ini", "caddy", "yaml", "text"}


def test_every_block_is_of_a_kind_that_is_checked() -> None:
    found = {block.language for name in PAGES for block in blocks(name)}
    assert found <= KNOWN_LANGUAGES
    assert len(COMMANDS) > 20


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command(command: str) -> None:
    check(command)


@pytest.mark.parametrize(
    "wrong",
    [
        "docker compose up -d no-such-service",
        "docker compose exec server loadtest --no-such-option 6",
        "realtime-engine serve --no-such-flag",
        "NO_SUCH_VARIABLE=1 loadtest",
        "DECODER_BEAM_SIZE=wide realtime-engine serve",
        "make no-such-target",
        "haproxy -c -f no-such-file",
        "unknown-program",
    ],
)
def test_a_wrong_command_would_show(wrong: str) -> None:
    with pytest.raises((AssertionError, ValueError)):
        check(wrong)


def test_lines_of_env_files() -> None:
    lines = [line for name in PAGES for block in blocks(name, "ini") for line in block.text.split()]
    assert len(lines) > 5
    for line in lines:
        check_variable(*line.split("=", 1))


@pytest.mark.parametrize("name", PAGES)
def test_variables_in_the_text(name: str) -> None:
    named = set(re.findall(r"`([A-Z]+(?:_[A-Z]+)+)(?:=[^`]*)?`", page(name)))
    assert named
    assert named <= set(SETTINGS) | COMPOSE_VARIABLES | OTHER_VARIABLES


def test_what_stays_is_what_there_is() -> None:
    row = next(line for line in page("MIGRATING.md").splitlines() if line.startswith("| variables"))
    assert len(re.findall(r"`([A-Z_]+)`", row)) == 8


@pytest.mark.parametrize("name", LINKED)
def test_links_lead_somewhere(name: str) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page(name)):
        assert_link_leads_somewhere(target, name)


def test_the_reverse_proxy_takes_its_configuration(tmp_path: Path) -> None:
    caddy = shutil.which("caddy")
    if caddy is None:
        pytest.skip("Caddy is not installed (apt-get install caddy)")
    (block,) = blocks("DEPLOYING.md", "caddy")
    (tmp_path / "Caddyfile").write_text(block.text, encoding="utf-8")
    checked = subprocess.run(
        [caddy, "validate", "--adapter", "caddyfile", "--config", "Caddyfile"],
        cwd=tmp_path, env=os.environ | {"HOME": str(tmp_path)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert checked.returncode == 0, checked.stderr


def test_the_rule_for_scaling_names_a_metric_that_there_is() -> None:
    (block,) = blocks("DEPLOYING.md", "yaml")
    (rule,) = yaml.safe_load(block.text)["rules"]
    scaling = (ROOT / "deploy" / "kubernetes" / "one-tier" / "scaling.yaml").read_text(
        encoding="utf-8"
    )
    series = rule["seriesQuery"].partition("{")[0]
    assert series == f"{PREFIX}streams"
    assert f"name: {series}" in scaling
