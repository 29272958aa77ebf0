from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models import BUNDLED_MODEL, ECHO_MODEL
from models.spec import ModelSpec, ModelSpecError

COMPANIONS = ["weights", "language_model", "second_pass"]
FIELDS: dict[str, Any] = json.loads((ECHO_MODEL / "model.json").read_text())


def written(folder: Path, text: str) -> Path:
    (folder / "model.json").write_text(text)
    return folder


def changed(folder: Path, **fields: Any) -> Path:
    return written(folder, json.dumps({**FIELDS, **fields}))


def message_of(folder: Path) -> str:
    """The error without the path that it begins with."""
    with pytest.raises(ModelSpecError) as error:
        ModelSpec.load(folder)
    message = str(error.value)
    assert "\n" not in message
    return message.removeprefix(f"{folder / 'model.json'}").lstrip(": ")


def test_the_bundled_model() -> None:
    spec = ModelSpec.load(BUNDLED_MODEL)
    assert spec.name == BUNDLED_MODEL.name
    assert spec.chunk_samples == 9_600
    assert spec.left_samples == 77_056
    assert spec.window_samples == 91_519
    assert spec.vocabulary[:3] == ("", " ", "'")
    assert len(spec.vocabulary) == 29
    assert spec.language_model_path == BUNDLED_MODEL / "lm.bin"
    assert spec.second_pass_path == BUNDLED_MODEL / "../moonshine-tiny-en"


def test_the_echo_model_has_no_context_and_no_companions() -> None:
    spec = ModelSpec.load(ECHO_MODEL)
    assert spec.window_samples == spec.chunk_samples
    assert spec.language_model_path is None
    assert spec.second_pass_path is None


def test_a_directory_without_a_model(tmp_path: Path) -> None:
    assert message_of(tmp_path) == f"no model in {tmp_path}: it has no model.json"
    missing = tmp_path / "missing"
    assert message_of(missing) == f"no model in {missing}: it has no model.json"


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"not json"])
def test_a_file_that_is_not_json(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "model.json").write_bytes(content)
    assert message_of(tmp_path).startswith("cannot be read as JSON: ")


def test_a_directory_in_its_place(tmp_path: Path) -> None:
    (tmp_path / "model.json").mkdir()
    assert message_of(tmp_path).startswith("cannot be read as JSON: ")


@pytest.mark.parametrize("text", ["[]", "3", "null", "{}", '{"name": "x"}'])
def test_something_else_than_the_fields(tmp_path: Path, text: str) -> None:
    message = message_of(written(tmp_path, text))
    assert message.startswith("must be an object with exactly: alpha, architecture, beta, ")
    assert all(name in message for name in FIELDS)
    assert "directory" not in message


def test_a_field_too_many_or_too_few(tmp_path: Path) -> None:
    assert "exactly" in message_of(changed(tmp_path, other=1))
    fewer = {name: value for name, value in FIELDS.items() if name != "blank"}
    assert "exactly" in message_of(written(tmp_path, json.dumps(fewer)))


@pytest.mark.parametrize("name", ["sample_rate_hz", "frame_samples", "hop_samples", "chunk_frames"])
@pytest.mark.parametrize("value", [0, -1, 1.5, "16", None, True])
def test_sizes_are_positive_integers(tmp_path: Path, name: str, value: object) -> None:
    assert message_of(changed(tmp_path, **{name: value})) == f"{name} must be a positive integer"


@pytest.mark.parametrize("name", ["left_frames", "right_samples", "margin_samples", "blank"])
@pytest.mark.parametrize("value", [-1, 0.5, "0", None, False])
def test_contexts_are_integers_from_0(tmp_path: Path, name: str, value: object) -> None:
    assert message_of(changed(tmp_path, **{name: value})) == f"{name} must be an integer from 0"


@pytest.mark.parametrize("name", ["alpha", "beta"])
@pytest.mark.parametrize("value", [None, "0.7", True, float("nan"), float("inf"), 10**400])
def test_weights_of_scores_are_numbers(tmp_path: Path, name: str, value: object) -> None:
    assert (
        message_of(changed(tmp_path, **{name: value}))
        == f"{name} must be a number from -100 to 100"
    )


@pytest.mark.parametrize("value", [0, -1, 2.5])
def test_weights_of_scores(tmp_path: Path, value: float) -> None:
    spec = ModelSpec.load(changed(tmp_path, alpha=value, beta=value))
    assert (spec.alpha, spec.beta) == (value, value)


@pytest.mark.parametrize("name", ["least_support", "sure_support", "missed_nats_per_s"])
@pytest.mark.parametrize("value", [None, "7", True, -0.5, float("nan"), float("inf"), 1001])
def test_support_is_a_number_of_nats(tmp_path: Path, name: str, value: object) -> None:
    assert (
        message_of(changed(tmp_path, **{name: value})) == f"{name} must be a number from 0 to 1000"
    )


def test_support(tmp_path: Path) -> None:
    spec = ModelSpec.load(
        changed(tmp_path, least_support=1000, sure_support=0.5, missed_nats_per_s=0)
    )
    assert (spec.least_support, spec.sure_support, spec.missed_nats_per_s) == (1000, 0.5, 0)


def test_who_is_sure_needs_no_more_support_than_others(tmp_path: Path) -> None:
    directory = changed(tmp_path, least_support=5, sure_support=5.5)
    assert message_of(directory) == "sure_support must be at most least_support"


@pytest.mark.parametrize(("milliseconds", "frames"), [(0, 0), (39, 0), (40, 1), (600, 15)])
def test_frames_within_a_time(milliseconds: int, frames: int) -> None:
    """Of the echo model's 40 ms."""
    assert ModelSpec.load(ECHO_MODEL).frames_within(milliseconds) == frames


@pytest.mark.parametrize("name", ["name", "architecture"])
def test_names_are_strings(tmp_path: Path, name: str) -> None:
    assert message_of(changed(tmp_path, **{name: 5})) == f"{name} must be a string"


@pytest.mark.parametrize("name", COMPANIONS)
@pytest.mark.parametrize("value", [5, True, ["a"]])
def test_companions_are_named_by_strings(tmp_path: Path, name: str, value: object) -> None:
    assert message_of(changed(tmp_path, **{name: value})) == f"{name} must be a name or null"


@pytest.mark.parametrize("value", ["abc", [1, 2], None, ["a", None]])
def test_a_vocabulary_is_a_list_of_strings(tmp_path: Path, value: object) -> None:
    assert message_of(changed(tmp_path, vocabulary=value)) == "vocabulary must be a list of strings"


@pytest.mark.parametrize("blank", [29, 1000])
def test_the_blank_is_one_of_the_vocabulary(tmp_path: Path, blank: int) -> None:
    assert message_of(changed(tmp_path, blank=blank)) == "blank must be an index of the vocabulary"


def test_an_empty_vocabulary_has_no_blank(tmp_path: Path) -> None:
    message = message_of(changed(tmp_path, vocabulary=[], blank=0))
    assert message == "blank must be an index of the vocabulary"


def test_hops_make_whole_frames(tmp_path: Path) -> None:
    message = message_of(changed(tmp_path, hop_samples=300))
    assert message == "hop_samples must divide frame_samples"


@pytest.mark.parametrize("name", COMPANIONS)
def test_files_that_are_named_are_there(tmp_path: Path, name: str) -> None:
    folder = changed(tmp_path, **{name: "missing.bin"})
    assert message_of(folder) == f"names missing.bin, but {folder / 'missing.bin'} does not exist"
    (folder / "missing.bin").touch()
    assert getattr(ModelSpec.load(folder), name) == "missing.bin"


def test_a_second_pass_is_a_directory_beside_or_within(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    changed(folder, second_pass="../whisper")
    message = message_of(folder)
    assert message.startswith("names ../whisper, but ")
    assert message.endswith("does not exist")
    (tmp_path / "whisper").mkdir()
    path = ModelSpec.load(folder).second_pass_path
    assert path is not None
    assert path.samefile(tmp_path / "whisper")


@given(samples=st.integers(0, 10**6))
def test_a_segment_has_a_frame_for_every_begun_one_of_whole_hops(samples: int) -> None:
    spec = ModelSpec.load(BUNDLED_MODEL)
    hops = samples // 64
    frames = spec.frames_of(samples)
    assert 6 * (frames - 1) < hops <= 6 * frames


def test_frames_at_the_edges() -> None:
    spec = ModelSpec.load(BUNDLED_MODEL)
    assert [spec.frames_of(n) for n in (0, 63, 64, 384, 447, 448)] == [0, 0, 1, 1, 1, 2]


def test_how_long_a_frame_is() -> None:
    assert ModelSpec.load(BUNDLED_MODEL).frame_s == 0.024
