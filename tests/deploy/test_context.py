"""deploy/context.py and deploy/roots.py: what a COPY lays down, and how much that is."""

from __future__ import annotations

from pathlib import Path

import pytest

from deploy.context import copy, patterns
from deploy.roots import size_mib

RULES = patterns("# only these\n*\n\n!a\n!b\n**/cache\n")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for name in ("a/x", "a/deep/y", "a/cache/z", "b", "c"):
        path = tmp_path / "project" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return tmp_path / "project"


def laid_down(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_a_folder_brings_its_contents(project: Path, tmp_path: Path) -> None:
    assert copy(project, ["a"], tmp_path / "root", RULES) == 2
    assert laid_down(tmp_path / "root") == {"x", "deep/y"}


def test_files_go_into_the_folder(project: Path, tmp_path: Path) -> None:
    assert copy(project, ["b", "a/x"], tmp_path / "root", RULES) == 2
    assert laid_down(tmp_path / "root") == {"b", "x"}


@pytest.mark.parametrize("missing", ["c", "a/cache", "nothing"])
def test_what_the_builder_does_not_get(project: Path, tmp_path: Path, missing: str) -> None:
    with pytest.raises(FileNotFoundError, match=f"COPY {missing}"):
        copy(project, [missing], tmp_path / "root", RULES)


def test_the_size_of_a_layer(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "two").write_bytes(bytes(2 << 20))
    (tmp_path / "link").symlink_to("a/two")
    assert size_mib(tmp_path) == pytest.approx(2, abs=0.001)
