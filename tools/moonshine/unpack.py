"""Makes a Moonshine directory of the files in the PyPI package ``moonshine-voice``.

    python -m tools.moonshine.unpack SOURCE OUTPUT

This is how the bundled second pass was made. SOURCE has ``encoder_model.ort``,
``decoder_model_merged.ort`` (ONNX Runtime's own format, a flatbuffer) and ``tokenizer.bin``; OUTPUT
gets what the model's authors publish elsewhere, ``config.json``, ``model.safetensors`` and
``tokenizer.json``, with the same names. The 8-bit numbers are copied as they are, each tensor with
its scale and zero point. Needs the package flatbuffers (the extra ``train``).
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final, cast

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save_file
from tokenizers import Tokenizer, decoders, models

from tools.moonshine.ort_file import Graph, OrtFileError, read_graph

ENCODER_FILE: Final = "encoder_model.ort"
DECODER_FILE: Final = "decoder_model_merged.ort"
TOKENS_FILE: Final = "tokenizer.bin"
TINY: Final = {
    "model_type": "moonshine",
    "hidden_size": 288,
    "intermediate_size": 1152,
    "encoder_num_hidden_layers": 6,
    "decoder_num_hidden_layers": 6,
    "encoder_num_attention_heads": 8,
    "decoder_num_attention_heads": 8,
    "partial_rotary_factor": 0.9,
    "rope_theta": 10000.0,
    "max_position_embeddings": 194,
    "vocab_size": 32768,
    "decoder_start_token_id": 1,
    "eos_token_id": 2,
}
"""What the graphs do not say in words: the configuration published with the model."""
_MERGED: Final = "_merged_0"  # what the exporter adds to names that both branches use
_SPACE: Final = "▁"

Arrays = dict[str, NDArray[Any]]


def main(arguments: Sequence[str] | None = None) -> int:
    """Writes the directory; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.moonshine.unpack", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("source", type=Path, help="directory with the .ort files and tokenizer.bin")
    parser.add_argument("output", type=Path, help="directory to make")
    options = parser.parse_args(arguments)
    try:
        unpack(options.source, options.output)
    except OrtFileError as error:
        print(error, file=sys.stderr)
        return 1
    size = (options.output / "model.safetensors").stat().st_size
    print(f"{options.output}: {size / 2**20:.0f} MiB")
    return 0


def unpack(source: Path, output: Path) -> None:
    """Writes ``output``, which must not exist.

    Raises:
        OrtFileError: a file is missing or is none that this can read, or ``output`` exists.
    """
    if output.exists():
        raise OrtFileError(f"{output} exists already: name a new directory")
    arrays: Arrays = {}
    for file, weights in ((ENCODER_FILE, encoder_weights), (DECODER_FILE, decoder_weights)):
        graph = read_graph(source / file)
        try:
            arrays |= weights(graph)
        except (KeyError, IndexError) as error:
            raise OrtFileError(f"{source / file} is not Moonshine's: it has no {error}") from error
    tokenizer = tokenizer_of(tokens_in(source / TOKENS_FILE))
    output.mkdir(parents=True)
    save_file(arrays, output / "model.safetensors")
    tokenizer.save(str(output / "tokenizer.json"))
    (output / "config.json").write_text(json.dumps(TINY, indent=1) + "\n", encoding="utf-8")


def encoder_weights(graph: Graph) -> Arrays:
    """By the names of the published model; 8-bit ones with their scale and zero point beside."""
    arrays: Arrays = {}
    for name, array in graph.arrays.items():
        if name.endswith((".weight", ".bias")):
            kind = np.float16 if name.startswith("conv") else np.float32
            arrays[f"model.encoder.{name}"] = np.ascontiguousarray(array, kind)
    scale, shift = graph.constant_inputs("/groupnorm/Mul"), graph.constant_inputs("/groupnorm/Add")
    arrays["model.encoder.groupnorm.weight"] = scale[0].reshape(-1)
    arrays["model.encoder.groupnorm.bias"] = shift[0].reshape(-1)
    return arrays | dict(_rounded(graph, "/", "model.encoder."))


def decoder_weights(graph: Graph) -> Arrays:
    """As `encoder_weights`; the output layer is the embedding's table."""
    arrays: Arrays = {}
    for name, array in graph.arrays.items():
        plain = name.removesuffix(_MERGED)
        if plain.endswith((".weight", ".bias")):
            arrays[plain] = np.ascontiguousarray(array, np.float32)
    embedding = "model.decoder.embed_tokens.weight"
    arrays |= _as_int8(embedding, *graph.rounded(f"{embedding}{_MERGED}"))
    return arrays | dict(_rounded(graph, "/model/", "model."))


def _rounded(graph: Graph, prefix: str, becomes: str) -> Iterator[tuple[str, NDArray[Any]]]:
    """The 8-bit matrices of the linear layers, turned to (outputs, inputs)."""
    for node, weight in graph.products.items():
        layer = node.removesuffix("/MatMul_quant")
        if "layers." in layer:
            name = becomes + layer.removeprefix(prefix).replace("/", ".") + ".weight"
            numbers, scale, zero = graph.rounded(weight)
            yield from _as_int8(name, numbers.T, scale, zero).items()


def _as_int8(name: str, numbers: NDArray[np.uint8], scale: float, zero: int) -> Arrays:
    return {
        name: np.ascontiguousarray((numbers.astype(np.int16) - 128).astype(np.int8)),
        f"{name}.scale": np.array(scale, np.float32),
        f"{name}.zero_point": np.array(zero - 128, np.int8),
    }


def tokens_in(path: Path) -> list[str]:
    """The texts of all tokens: each has its length before it, two bytes if beyond 127."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise OrtFileError(f"{path} cannot be read: {error}") from error
    tokens: list[str] = []
    at = 0
    try:
        while at < len(data):
            length, at = data[at], at + 1
            if length >= 128:
                length, at = length - 128 + 128 * data[at], at + 1
            piece, at = data[at : at + length], at + length
            if len(piece) < length:
                raise IndexError("the last one is cut off")
            tokens.append(_token(piece, len(tokens)))
    except (IndexError, UnicodeDecodeError) as error:
        raise OrtFileError(f"{path} is no list of tokens: {error}") from error
    return tokens


def _token(piece: bytes, number: int) -> str:
    """Bytes that are no character by themselves have a name, as SentencePiece gives them."""
    if 3 <= number < 3 + 256:
        return f"<0x{number - 3:02X}>"
    return piece.decode("utf-8") or f"<unused{number}>"


def tokenizer_of(tokens: Sequence[str]) -> Tokenizer:
    """One that can turn numbers into text; nothing here needs the other way."""
    vocabulary = {token: number for number, token in enumerate(tokens)}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, tokens[0]))
    tokenizer.decoder = cast(
        Any,
        decoders.Sequence(
            [
                decoders.Replace(_SPACE, " "),
                decoders.ByteFallback(),
                decoders.Fuse(),
                decoders.Strip(" ", 1, 0),
            ]
        ),
    )
    return tokenizer


if __name__ == "__main__":
    sys.exit(main())
