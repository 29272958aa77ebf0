"""Manifests: what is read, and the one line that says what is wrong."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench.eval.errors import EvalError
from bench.eval.manifest import BUNDLED, read_manifest, spread


def write(folder: Path, *lines: str) -> Path:
    (folder / "a.wav").write_bytes(b"")
    manifest = folder / "set.jsonl"
    manifest.write_text("\n".join(lines))
    return manifest


def test_the_bundled_clips_are_there() -> None:
    assert len(read_manifest(BUNDLED)) == 20


def test_fields_and_what_stands_in_for_them(tmp_path: Path) -> None:
    full = {"audio": "a.wav", "text": "hello there", "speaker": "s", "source": "read"}
    bare = {"audio": "a.wav", "text": "hello"}
    clips = read_manifest(write(tmp_path, json.dumps(full), "", json.dumps(bare)))
    assert (clips[0].speaker, clips[0].source) == ("s", "read")
    assert (clips[1].speaker, clips[1].source) == ("", "set")
    assert clips[0].audio == tmp_path / "a.wav"


def test_transcripts_are_put_into_spoken_form(tmp_path: Path) -> None:
    line = json.dumps({"audio": "a.wav", "text": "Mr. Brown has 12."})
    assert read_manifest(write(tmp_path, line))[0].text == "mister brown has twelve"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{", "line 1 is not JSON"),
        ("[]", "line 1 should be"),
        ('{"audio": "a.wav"}', "line 1 should be"),
        ('{"audio": 3, "text": "x"}', "line 1 should be"),
        ('{"audio": "a.wav", "text": "x", "speaker": null}', "line 1 should be"),
        ('{"audio": "b.wav", "text": "x"}', "there is no audio at"),
        ("", "names no clips"),
    ],
)
def test_mistakes_are_told_in_one_line(tmp_path: Path, line: str, said: str) -> None:
    with pytest.raises(EvalError, match=said) as caught:
        read_manifest(write(tmp_path, line))
    assert "\n" not in str(caught.value)


def test_a_manifest_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(EvalError, match="no manifest can be read at"):
        read_manifest(tmp_path / "none.jsonl")


def test_spread_takes_items_at_equal_distances() -> None:
    assert spread(range(12), 4) == [0, 3, 6, 9]
    assert spread(range(648), 108) == list(range(0, 648, 6))
    assert spread([1, 2], 5) == spread([1, 2], None) == [1, 2]
