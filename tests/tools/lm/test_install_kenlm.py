"""Building KenLM takes Boost and minutes; here is what would be run, and what is said."""

from __future__ import annotations

import subprocess
import tarfile
from pathlib import Path

import pytest

from tools.lm.errors import LmError
from tools.lm.install_kenlm import install_kenlm
from tools.lm.programs import PROGRAMS


def test_missing_tools_are_named_with_their_packages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(LmError, match=r"needs cmake, make, c\+\+: apt-get install .*libboost"):
        install_kenlm(tmp_path)


class Steps:
    """Stands for pip and CMake: leaves what they would leave."""

    def __init__(self, failing: str = "") -> None:
        self.failing = failing
        self.commands: list[list[str]] = []

    def __call__(self, command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        self.commands.append(command)
        if self.failing and self.failing in command:
            said = "note: long story\nCMake Error: Could NOT find Boost\nbye\n"
            return subprocess.CompletedProcess(command, 1, "", said)
        if "download" in command:
            scratch = Path(command[command.index("--dest") + 1])
            (scratch / "source").mkdir()
            with tarfile.open(scratch / "kenlm-0.3.0.tar.gz", "w:gz") as archive:
                archive.add(scratch / "source", "kenlm-0.3.0")
        if "--build" in command:
            programs = Path(command[command.index("--build") + 1]) / "bin"
            programs.mkdir(parents=True)
            for program in PROGRAMS:
                (programs / program).write_text(program)
        return subprocess.CompletedProcess(command, 0, "", "")


def test_the_programs_are_downloaded_built_and_put_in_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = Steps()
    monkeypatch.setattr("shutil.which", lambda name: f"/bin/{name}")
    monkeypatch.setattr("subprocess.run", steps)
    assert install_kenlm(tmp_path) == [tmp_path / "bin" / program for program in PROGRAMS]
    assert (tmp_path / "bin" / "lmplz").read_text() == "lmplz"
    assert [("download" in c, "-S" in c, "--build" in c) for c in steps.commands] == [
        (True, False, False),
        (False, True, False),
        (False, False, True),
    ]


def test_a_failed_step_is_one_line_with_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.which", lambda name: f"/bin/{name}")
    monkeypatch.setattr("subprocess.run", Steps(failing="-S"))
    with pytest.raises(LmError, match="failed at cmake -S: CMake Error: Could NOT find Boost"):
        install_kenlm(tmp_path)
