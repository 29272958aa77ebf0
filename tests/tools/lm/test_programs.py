"""KenLM's programs: the real ones where they are installed, else shell scripts instead."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.tools.lm.tiny import FARM, write
from tools.lm.arpa import load_arpa
from tools.lm.errors import LmError
from tools.lm.programs import PROGRAMS, estimate, find_program, pack
from tools.lm.trie import read_trie

needs_kenlm = pytest.mark.skipif(
    any(shutil.which(program) is None for program in PROGRAMS),
    reason="KenLM's lmplz and build_binary are not on the PATH (python -m tools.lm install-kenlm)",
)


def put(directory: Path, name: str, script: str) -> None:
    path = directory / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder of programs, apart from the system's own."""
    directory = tmp_path / "programs"
    directory.mkdir()
    monkeypatch.setenv("PATH", f"{directory}:/bin")
    monkeypatch.setattr("sys.prefix", str(tmp_path))
    return directory


def test_a_missing_program_is_named_with_how_to_get_it(programs: Path) -> None:
    with pytest.raises(LmError, match=r"lmplz is not installed: python -m tools\.lm install-kenlm"):
        find_program("lmplz")


def test_a_program_beside_python_comes_first(programs: Path, tmp_path: Path) -> None:
    put(programs, "lmplz", "")
    (tmp_path / "bin").mkdir()
    put(tmp_path / "bin", "lmplz", "")
    assert find_program("lmplz") == str(tmp_path / "bin" / "lmplz")


def test_lines_go_in_and_the_model_comes_out(programs: Path, tmp_path: Path) -> None:
    put(programs, "lmplz", 'echo "$@"; cat')
    estimate(["so it", "goes"], ["so", "it"], tmp_path / "out", 3, [0, 1])
    called, *lines = (tmp_path / "out").read_text().splitlines()
    assert "-o 3" in called
    assert "--prune 0 1" in called
    assert lines == ["so it", "goes"]


@pytest.mark.parametrize("script", ["cat >/dev/null", "exec </dev/null"])
def test_a_failure_is_told_in_kenlm_s_words(programs: Path, tmp_path: Path, script: str) -> None:
    say = "echo 'x.cc:51 in F() threw BadThing because y. Too little text.' >&2; exit 1"
    put(programs, "lmplz", f"{script}; {say}")
    with pytest.raises(LmError, match=r"^lmplz failed: BadThing because y\. Too little text\.$"):
        estimate(["a line"] * 100_000, ["a"], tmp_path / "out", 3, [0])


def test_a_failure_to_pack_is_told(programs: Path, tmp_path: Path) -> None:
    put(programs, "build_binary", "echo 'threw: no space left' >&2; exit 1")
    with pytest.raises(LmError, match=r"build_binary failed: .*no space left"):
        pack(tmp_path / "lm.arpa", tmp_path / "lm.bin")


@needs_kenlm
def test_kenlm_estimates_and_packs(tmp_path: Path) -> None:
    lines = ["the cow can't fly", "the cow can stand", "can the cow fly"] * 5
    words = {word for line in lines for word in line.split()} - {"stand"}
    estimate(lines, words, tmp_path / "lm.arpa", 3, [0, 0, 1])
    model = load_arpa(tmp_path / "lm.arpa")
    assert set(model.words) == words | {"<unk>", "<s>", "</s>"}
    pack(write(tmp_path, FARM), tmp_path / "lm.bin")
    assert read_trie(tmp_path / "lm.bin").counts == [7, 6, 2]
