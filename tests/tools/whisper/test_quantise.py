from __future__ import annotations

import json
import re
import shutil
import struct
from pathlib import Path
from typing import Any

import ctranslate2
import numpy as np
import pytest
from numpy.typing import NDArray

from models import BUNDLED_MODEL
from tools.whisper.quantise import (
    BINARY_VERSION,
    COPIED,
    QuantiseError,
    Variables,
    main,
    quantise,
    read_variables,
)

BUNDLED = BUNDLED_MODEL.parent / "whisper-tiny-en"
TOKENS = 80
"""What is left of the vocabulary in the small model."""
ALIASES = {"decoder/projection/weight": "decoder/embeddings/weight"}
_TYPES = [np.float32, np.int8, np.int16, np.int32, np.float16]


def text(value: str) -> bytes:
    return struct.pack("<H", len(value) + 1) + value.encode() + b"\0"


def written(
    variables: Variables,
    *,
    version: int = BINARY_VERSION,
    kind: str = "WhisperSpec",
    aliases: dict[str, str] | None = None,
) -> bytes:
    """A model.bin: the format by its description in CTranslate2's documentation and its readers."""
    parts = [struct.pack("<I", version), text(kind), struct.pack("<II", 3, len(variables))]
    for name, array in variables.items():
        parts += [text(name), struct.pack(f"<B{array.ndim}I", array.ndim, *array.shape)]
        parts += [struct.pack("<BI", _TYPES.index(array.dtype.type), array.nbytes)]
        parts += [array.tobytes()]
    parts.append(struct.pack("<I", len(aliases or {})))
    parts += [text(alias) + text(name) for alias, name in (aliases or {}).items()]
    return b"".join(parts)


def bundled_variables() -> Variables:
    return read_variables((BUNDLED / "model.bin").read_bytes(), BUNDLED)


def in_16_bits(variables: Variables) -> Variables:
    """What 8-bit weights and their scales stand for."""
    found: Variables = {}
    for name, array in variables.items():
        if name.endswith("weight_scale") or name in ALIASES:
            continue
        if array.ndim == 0:
            found[name] = array  # a setting
        elif array.dtype == np.int8:
            scale = variables[f"{name}_scale"].reshape(-1, *[1] * (array.ndim - 1))
            found[name] = (array / scale).astype(np.float16)
        else:
            found[name] = array.astype(np.float16) if array.dtype == np.float32 else array
    return found


@pytest.fixture(scope="module")
def small() -> Variables:
    """The first layers of the bundled model and a few of its tokens, in 16 bits."""
    kept = {
        name: array
        for name, array in bundled_variables().items()
        if not re.search("/layer_[1-9]", name)
    }
    variables = in_16_bits(kept)
    for name, array in variables.items():
        if array.ndim and array.shape[0] > 10_000:
            variables[name] = array[:TOKENS]
    return variables


@pytest.fixture
def source(tmp_path: Path, small: Variables) -> Path:
    """A Whisper model with 16-bit weights, as small as it can be."""
    folder = tmp_path / "source"
    folder.mkdir()
    (folder / "model.bin").write_bytes(written(small, aliases=ALIASES))
    for name in COPIED:
        shutil.copy(BUNDLED / name, folder)
    vocabulary = json.loads((BUNDLED / "vocabulary.json").read_text())
    (folder / "vocabulary.json").write_text(json.dumps(vocabulary[:TOKENS]))
    return folder


def refusal(source: Path, output: Path) -> str:
    with pytest.raises(QuantiseError) as refused:
        quantise(source, output)
    message = str(refused.value)
    assert "\n" not in message
    return message


# -- what comes of it


def test_weights_in_8_bits_stand_for_the_same_numbers(
    source: Path, tmp_path: Path, small: Variables
) -> None:
    output = tmp_path / "output"
    quantise(source, output)
    found = read_variables((output / "model.bin").read_bytes(), output)
    eight_bit = {name for name, array in found.items() if array.dtype == np.int8 and array.ndim > 1}
    assert "decoder/embeddings/weight" in eight_bit
    assert "encoder/layer_0/ffn/linear_0/weight" in eight_bit
    size = sum(array.size for array in found.values())
    assert sum(found[name].size for name in eight_bit) > 0.8 * size
    for name, array in in_16_bits(found).items():
        if name in small:
            wanted: NDArray[Any] = small[name].astype(np.float64)
            step = np.abs(wanted).max(initial=1e-9) / 100
            np.testing.assert_allclose(array, wanted, rtol=0, atol=step, err_msg=name)


def test_the_output_loads_and_hears(source: Path, tmp_path: Path) -> None:
    output = tmp_path / "deep" / "output"
    quantise(source, output)
    assert all((output / name).is_file() for name in (*COPIED, "vocabulary.json"))
    model = ctranslate2.models.Whisper(str(output), intra_threads=1, compute_type="int8")
    features = np.zeros((1, 80, 200), np.float32)
    assert model.encode(ctranslate2.StorageView.from_array(features)).shape == [1, 100, 384]


def test_the_tokenizer_is_copied(source: Path, tmp_path: Path) -> None:
    quantise(source, tmp_path / "output")
    copied = (tmp_path / "output" / "tokenizer.json").read_bytes()
    assert copied == (source / "tokenizer.json").read_bytes()


def test_a_vocabulary_in_lines(source: Path, tmp_path: Path) -> None:
    """CTranslate2's older file for the same thing."""
    tokens = json.loads((source / "vocabulary.json").read_text())
    (source / "vocabulary.json").unlink()
    (source / "vocabulary.txt").write_text("\n".join(tokens) + "\n", "utf-8")
    quantise(source, tmp_path / "output")
    assert json.loads((tmp_path / "output" / "vocabulary.json").read_text()) == tokens


def test_the_command(source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "output"
    assert main([str(source), str(output)]) == 0
    assert str(output) in capsys.readouterr().out
    assert main([str(source), str(output)]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err == f"{output} exists: name a directory that does not\n"


# -- reading


def test_what_is_written_is_read() -> None:
    variables: Variables = {
        "a/b": np.arange(6, dtype=np.float32).reshape(2, 3),
        "n": np.array(3, np.int16),
        "w": np.array([[1, -2]], np.int8),
        "h": np.array([0.5], np.float16),
    }
    found = read_variables(written(variables, aliases={"same": "w"}), Path())
    assert list(found) == [*variables, "same"]
    for name, array in {**variables, "same": variables["w"]}.items():
        assert found[name].dtype == array.dtype
        np.testing.assert_array_equal(found[name], array)


def test_a_file_that_is_cut_off_anywhere() -> None:
    data = written({"a/b": np.ones((2, 3), np.float32), "n": np.array(3, np.int8)})
    for length in range(len(data)):
        with pytest.raises(QuantiseError, match=r"source/model.bin is not a Whisper model") as cut:
            read_variables(data[:length], Path("source"))
        assert "\n" not in str(cut.value)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (written({}, version=5), "its version is 5"),
        (written({}, kind="TransformerSpec"), "it is a TransformerSpec"),
        (written({}, aliases={"a": "b"}), "'b'"),
        (b"not a model at all", "its version is"),
    ],
)
def test_another_kind_of_file(data: bytes, reason: str) -> None:
    with pytest.raises(QuantiseError) as refused:
        read_variables(data, Path("source"))
    message = str(refused.value)
    assert message.startswith("source/model.bin is not a Whisper model in CTranslate2's binary ")
    assert f"version {BINARY_VERSION}" in message
    assert reason in message


# -- sources that are refused


def test_8_bits_are_not_quantised_again(tmp_path: Path) -> None:
    said = refusal(BUNDLED, tmp_path / "output")
    assert said == (
        f"{BUNDLED}/model.bin has 8-bit weights already: give a model with 16-bit weights"
    )
    assert not (tmp_path / "output").exists()


def test_no_source(tmp_path: Path) -> None:
    said = refusal(tmp_path / "gone", tmp_path / "output")
    assert said.startswith(f"{tmp_path / 'gone'} has no ")


@pytest.mark.parametrize("name", [*COPIED, "model.bin", "vocabulary.json"])
def test_a_source_without_a_file(source: Path, tmp_path: Path, name: str) -> None:
    (source / name).unlink()
    said = refusal(source, tmp_path / "output")
    assert str(source) in said
    assert name.partition(".")[0] in said
    assert not (tmp_path / "output").exists(), "nothing is left half done"


@pytest.mark.parametrize("content", [b"{", b"\xff", b"3"])
def test_a_vocabulary_that_cannot_be_read(source: Path, tmp_path: Path, content: bytes) -> None:
    (source / "vocabulary.json").write_bytes(content)
    assert f"{source} has no readable vocabulary" in refusal(source, tmp_path / "output")


def test_a_vocabulary_of_another_model(source: Path, tmp_path: Path) -> None:
    (source / "vocabulary.json").write_text('["a", "b"]')
    assert str(source) in refusal(source, tmp_path / "output")


@pytest.mark.parametrize(
    ("gone", "more"), [("encoder/num_heads", None), ("encoder/conv1/weight", None), (None, "odd/x")]
)
def test_variables_of_something_else(
    source: Path, tmp_path: Path, small: Variables, gone: str | None, more: str | None
) -> None:
    variables = {name: array for name, array in small.items() if name != gone}
    if more is not None:
        variables[more] = np.zeros(1, np.float32)
    (source / "model.bin").write_bytes(written(variables, aliases=ALIASES))
    assert f"{source}/model.bin" in refusal(source, tmp_path / "output")


def test_an_output_that_cannot_be_written(source: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    said = refusal(source, tmp_path / "file" / "output")
    assert said.startswith(f"{tmp_path / 'file' / 'output'} cannot be written (")
