"""Turns a CTranslate2 Whisper model with 16-bit weights into one with 8-bit weights.

    python -m tools.whisper.quantise SOURCE OUTPUT

This is how the bundled Whisper model was made. CTranslate2's own converters start from other
frameworks' checkpoints; this starts from its own format (binary version 6: names, shapes and data
one after the other, then aliases), so that no such framework is needed. Whoever has a converted
model already needs nothing of this: it is quantised anyway when it is loaded.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import struct
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import ctranslate2
import numpy as np
from numpy.typing import NDArray

BINARY_VERSION: Final = 6
COPIED: Final = ("config.json", "tokenizer.json")
_TYPES: Final = (np.float32, np.int8, np.int16, np.int32, np.float16)

_LAYERS: Final = {side: re.compile(rf"{side}/layer_\d+/") for side in ("encoder", "decoder")}

Variables = dict[str, NDArray[Any]]


class QuantiseError(Exception):
    """A source that cannot be read; the message is one line."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Writes the quantised model; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.whisper.quantise", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("source", type=Path, help="directory with model.bin and tokenizer.json")
    parser.add_argument("output", type=Path, help="directory to make")
    options = parser.parse_args(arguments)
    try:
        quantise(options.source, options.output)
    except QuantiseError as error:
        print(error, file=sys.stderr)
        return 1
    size = (options.output / "model.bin").stat().st_size
    print(f"{options.output}: {size / 2**20:.0f} MiB")
    return 0


def quantise(source: Path, output: Path) -> None:
    """Writes ``source`` with int8 weights to ``output``, which must not exist.

    Raises:
        QuantiseError: no Whisper model of this binary version, one that has 8-bit weights already,
            a file that is missing, or an output that exists or cannot be written.
    """
    if output.exists():
        raise QuantiseError(f"{output} exists: name a directory that does not")
    if missing := [name for name in COPIED if not (source / name).is_file()]:
        raise QuantiseError(f"{source} has no {', '.join(missing)}: the output needs it, too")
    try:
        data = (source / "model.bin").read_bytes()
    except OSError as error:
        raise QuantiseError(f"{source}/model.bin cannot be read ({error.strerror})") from error
    variables = read_variables(data, source)
    if any(array.dtype == np.int8 and array.ndim for array in variables.values()):
        raise QuantiseError(
            f"{source}/model.bin has 8-bit weights already: give a model with 16-bit weights"
        )
    vocabulary = _vocabulary(source)
    try:
        spec = _spec_of(variables)
        spec.register_vocabulary(vocabulary)
        spec.validate()
    except (LookupError, AttributeError, TypeError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise QuantiseError(
            f"{source}/model.bin and its vocabulary make no Whisper model ({reason:.200})"
        ) from error
    spec.optimize(quantization="int8")
    try:
        output.mkdir(parents=True)
        spec.save(str(output))
        for name in COPIED:
            shutil.copyfile(source / name, output / name)
    except OSError as error:
        raise QuantiseError(f"{output} cannot be written ({error.strerror})") from error


def _vocabulary(source: Path) -> list[str]:
    """The tokens in the order of their numbers, from either of CTranslate2's two files."""
    try:
        if (listed := source / "vocabulary.json").is_file():
            return [str(token) for token in json.loads(listed.read_text(encoding="utf-8"))]
        return (source / "vocabulary.txt").read_text(encoding="utf-8").rstrip("\n").split("\n")
    except (OSError, TypeError, ValueError) as error:
        raise QuantiseError(f"{source} has no readable vocabulary ({error})") from error


def read_variables(data: bytes, source: Path) -> Variables:
    """The named arrays of a model.bin, aliases included.

    Raises:
        QuantiseError: not a Whisper model, another version, or cut off.
    """
    try:
        return _Reader(data).variables()
    except (struct.error, ValueError, IndexError, KeyError) as error:
        raise QuantiseError(
            f"{source}/model.bin is not a Whisper model in CTranslate2's binary version "
            f"{BINARY_VERSION} ({error})"
        ) from error


class _Reader:
    """A position in a model.bin."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def variables(self) -> Variables:
        if (version := self._number("I")) != BINARY_VERSION:
            raise ValueError(f"its version is {version}")
        if (name := self._text()) != "WhisperSpec":
            raise ValueError(f"it is a {name}")
        self._number("I")  # the specification's revision
        variables = dict(self._variable() for _ in range(self._number("I")))
        for _ in range(self._number("I")):
            alias, name = self._text(), self._text()
            variables[alias] = variables[name]
        return variables

    def _variable(self) -> tuple[str, NDArray[Any]]:
        name = self._text()
        shape = [self._number("I") for _ in range(self._number("B"))]
        dtype = np.dtype(_TYPES[self._number("B")])
        size = self._number("I")
        array = np.frombuffer(self._data, dtype, size // dtype.itemsize, self._at)
        self._at += size
        return name, array.reshape(shape)

    def _number(self, kind: str) -> int:
        (value,) = struct.unpack_from(f"<{kind}", self._data, self._at)
        self._at += struct.calcsize(kind)
        return int(value)

    def _text(self) -> str:
        length = self._number("H")  # with a zero byte at its end
        text = self._data[self._at : self._at + length - 1].decode()
        self._at += length
        return text


def _spec_of(variables: Variables) -> Any:
    """The specification with its weights, in float32."""
    layers = {
        side: len({found[0] for name in variables if (found := pattern.match(name))})
        for side, pattern in _LAYERS.items()
    }
    heads = int(variables["encoder/num_heads"])
    spec = ctranslate2.specs.WhisperSpec(layers["encoder"], heads, layers["decoder"], heads)
    for name, array in variables.items():
        owner, last = _owner(spec, name.split("/"))
        floating = array.dtype == np.float16
        setattr(owner, last, array.astype(np.float32) if floating else array)
    return spec


def _owner(spec: Any, path: list[str]) -> tuple[Any, str]:
    """The part of the specification that holds the variable, and the variable's name in it."""
    owner = spec
    for part in path[:-1]:
        if hasattr(owner, part):
            owner = getattr(owner, part)
        else:  # one of a list: "layer_0"
            name, _, index = part.rpartition("_")
            owner = getattr(owner, name)[int(index)]
    return owner, path[-1]


if __name__ == "__main__":
    sys.exit(main())
