"""A small model in the package's files goes in; the network with the same numbers comes out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer

from gpu_worker.second_pass.moonshine import load_network, load_shape
from tests.tools.moonshine.ort_writer import ort_file
from tools.moonshine import unpack as unpack_module
from tools.moonshine.ort_file import OrtFileError
from tools.moonshine.unpack import TINY, main, tokens_in

SMALL = {
    **TINY,
    "hidden_size": 32,
    "intermediate_size": 24,
    "encoder_num_hidden_layers": 1,
    "decoder_num_hidden_layers": 1,
    "encoder_num_attention_heads": 2,
    "decoder_num_attention_heads": 2,
    "vocab_size": 300,
}
PROJECTIONS = ("q_proj", "k_proj", "v_proj", "o_proj")
Arrays = dict[str, NDArray[Any]]


def numbers(*shape: int, seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng([seed, *shape]).normal(size=shape).astype(np.float32)


class Package:
    """The two graphs, and the weights that they stand for under their published names."""

    def __init__(self) -> None:
        self.arrays: Arrays = {}
        self.nodes: dict[str, list[str]] = {}
        self.expected: Arrays = {}

    def linear(self, node: str, name: str, inputs: int, outputs: int) -> None:
        rounded = np.random.default_rng(len(self.nodes)).integers(0, 256, (inputs, outputs))
        product, zero, scale = f"onnx::MatMul_{len(self.nodes)}", 131, 0.01
        self.rounded(product, rounded.astype(np.uint8), zero, scale)
        self.nodes[f"{node}/MatMul_quant"] = ["x", f"{product}_quantized"]
        self.expected[f"{name}.weight"] = ((rounded - zero) * scale).T.astype(np.float32)

    def rounded(self, name: str, array: NDArray[np.uint8], zero: int, scale: float) -> None:
        self.arrays[f"{name}_quantized"] = array
        self.arrays[f"{name}_zero_point"] = np.array(zero, np.uint8)
        self.arrays[f"{name}_scale"] = np.array(scale, np.float32)

    def plain(self, stored: str, name: str, array: NDArray[np.float32]) -> None:
        self.arrays[stored] = array
        self.expected[name] = array


def encoder() -> Package:
    package = Package()
    width, hidden = SMALL["hidden_size"], SMALL["intermediate_size"]
    assert isinstance(width, int)
    assert isinstance(hidden, int)
    shapes = {
        "conv1.weight": (width, 1, 127),
        "conv2.weight": (2 * width, width, 7),
        "conv2.bias": (2 * width,),
        "conv3.weight": (width, 2 * width, 3),
        "conv3.bias": (width,),
        "layer_norm.weight": (width,),
        "layers.0.input_layernorm.weight": (width,),
        "layers.0.post_attention_layernorm.weight": (width,),
        "layers.0.mlp.fc1.bias": (hidden,),
        "layers.0.mlp.fc2.bias": (width,),
    }
    for name, shape in shapes.items():
        package.plain(name, f"encoder.{name}", numbers(*shape))
    for stored, node, name in (("onnx::Mul_1", "Mul", "weight"), ("onnx::Add_2", "Add", "bias")):
        package.arrays[stored] = numbers(width, 1)
        package.nodes[f"/groupnorm/{node}"] = ["x", stored]
        package.expected[f"encoder.groupnorm.{name}"] = numbers(width, 1)[:, 0]
    for one in PROJECTIONS:
        place = ("layers.0", "self_attn", one)
        package.linear("/" + "/".join(place), "encoder." + ".".join(place), width, width)
    for one, inputs, outputs in (("fc1", width, hidden), ("fc2", hidden, width)):
        package.linear(f"/layers.0/mlp/{one}", f"encoder.layers.0.mlp.{one}", inputs, outputs)
    return package


def decoder() -> Package:
    package = Package()
    width, hidden = SMALL["hidden_size"], SMALL["intermediate_size"]
    vocabulary = SMALL["vocab_size"]
    assert isinstance(width, int)
    assert isinstance(hidden, int)
    assert isinstance(vocabulary, int)
    norms = ("input_layernorm", "post_attention_layernorm", "final_layernorm")
    for name in ("norm", *(f"layers.0.{norm}" for norm in norms)):
        full = f"decoder.{name}.weight"
        package.plain(f"model.{full}_merged_0", full, numbers(width, seed=1))
    for one, size in (("fc1", 2 * hidden), ("fc2", width)):
        full = f"decoder.layers.0.mlp.{one}.bias"
        package.plain(f"model.{full}_merged_0", full, numbers(size, seed=2))
    for attention in ("self_attn", "encoder_attn"):
        for one in PROJECTIONS:
            place = ("decoder", "layers.0", attention, one)
            package.linear("/model/" + "/".join(place), ".".join(place), width, width)
    for one, inputs, outputs in (("fc1", width, 2 * hidden), ("fc2", hidden, width)):
        package.linear(
            f"/model/decoder/layers.0/mlp/{one}", f"decoder.layers.0.mlp.{one}", inputs, outputs
        )
    table = np.random.default_rng(3).integers(0, 256, (vocabulary, width)).astype(np.uint8)
    package.rounded("model.decoder.embed_tokens.weight_merged_0", table, 129, 0.02)
    package.expected["decoder.embed_tokens.weight"] = ((table - 129.0) * 0.02).astype(np.float32)
    package.linear("/proj_out", "proj_out", width, vocabulary)
    del package.expected["proj_out.weight"]
    return package


def tokens() -> list[bytes]:
    single = [bytes([number]) for number in range(256)]
    words = [f"\u2581word{number}".encode() for number in range(300 - 259 - 1)]
    return [b"<unk>", b"<s>", b"</s>", *single, *words, b"\xe2\x96\x81" + b"long" * 50]


def written(pieces: list[bytes]) -> bytes:
    parts = []
    for piece in pieces:
        length = len(piece)
        more, rest = divmod(length, 128)
        parts.append(bytes([length]) if length < 128 else bytes([rest + 128, more]))
        parts.append(piece)
    return b"".join(parts)


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(unpack_module, "TINY", SMALL)
    folder = tmp_path / "source"
    folder.mkdir()
    half = encoder()
    (folder / "encoder_model.ort").write_bytes(ort_file(half.arrays, half.nodes))
    half = decoder()
    branch = (half.arrays, half.nodes)
    (folder / "decoder_model_merged.ort").write_bytes(ort_file({}, {}, branch))
    (folder / "tokenizer.bin").write_bytes(written(tokens()))
    return folder


def test_the_network_has_the_packages_numbers(source: Path, tmp_path: Path) -> None:
    output = tmp_path / "output"
    assert main([str(source), str(output)]) == 0
    shape = load_shape(output / "config.json")
    weights = load_network(output / "model.safetensors", shape).state_dict()
    expected = encoder().expected | decoder().expected
    assert set(weights) == {*expected, "decoder.output.weight", "decoder.output.bias"}
    for name, array in expected.items():
        tolerance = 1e-3 if ".conv" in name else 1e-6  # convolutions are kept in 16 bits
        torch.testing.assert_close(
            weights[name], torch.from_numpy(array.copy()), rtol=tolerance, atol=tolerance
        )


def test_the_tokenizer_turns_numbers_into_text(source: Path, tmp_path: Path) -> None:
    output = tmp_path / "output"
    main([str(source), str(output)])
    tokenizer = Tokenizer.from_file(str(output / "tokenizer.json"))
    assert tokenizer.get_vocab_size() == 300
    assert tokenizer.decode([259, 260]) == "word0 word1"
    assert tokenizer.decode([259, *(3 + byte for byte in "é".encode())]) == "word0é"
    assert tokenizer.decode([299]) == "long" * 50
    assert json.loads((output / "config.json").read_text()) == SMALL


def test_tokens_with_a_length_of_two_bytes(tmp_path: Path) -> None:
    (tmp_path / "tokens").write_bytes(written([b"a" * 127, b"b" * 128, b"c" * 300]))
    assert [len(token) for token in tokens_in(tmp_path / "tokens")] == [127, 128, 300]


def test_a_list_of_tokens_that_is_cut_off(tmp_path: Path) -> None:
    (tmp_path / "tokens").write_bytes(written([b"a", b"b" * 20])[:-5])
    with pytest.raises(OrtFileError, match="is no list of tokens"):
        tokens_in(tmp_path / "tokens")


def test_an_output_that_exists(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(source), str(tmp_path)]) == 1
    assert f"{tmp_path} exists already: name a new directory" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["encoder_model.ort", "decoder_model_merged.ort", "tokenizer.bin"])
def test_a_file_that_is_missing(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    (source / name).unlink()
    assert main([str(source), str(tmp_path / "output")]) == 1
    assert f"{name} cannot be read" in capsys.readouterr().err
    assert not (tmp_path / "output").exists()


def test_another_model_in_that_format(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (source / "encoder_model.ort").write_bytes(ort_file({"x": numbers(3)}, {"y": ["x"]}))
    assert main([str(source), str(tmp_path / "output")]) == 1
    assert "is not Moonshine's" in capsys.readouterr().err
