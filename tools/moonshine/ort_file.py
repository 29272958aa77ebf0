"""Reads the numbers of a model in ONNX Runtime's own format, a flatbuffer.

Of the schema (onnxruntime/core/flatbuffers/schema/ort.fbs) only what leads to the weights: session,
model, graph, nodes, attributes and tensors.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from flatbuffers import encode, number_types
from flatbuffers.table import Table
from numpy.typing import NDArray

_IDENTIFIER: Final = b"ORTM"
_TYPES: Final = {
    1: np.float32,
    2: np.uint8,
    3: np.int8,
    6: np.int32,
    7: np.int64,
    9: np.bool_,
    10: np.float16,
    11: np.float64,
}
# Fields by their number in the schema.
_SESSION_MODEL, _MODEL_GRAPH = 1, 7
_GRAPH_TENSORS, _GRAPH_NODES = 0, 2
_TENSOR_NAME, _TENSOR_SHAPE, _TENSOR_TYPE, _TENSOR_DATA = 0, 2, 3, 4
_NODE_NAME, _NODE_INPUTS, _NODE_ATTRIBUTES = 0, 8, 10
_ATTRIBUTE_GRAPH = 7
_ROUNDED: Final = "_quantized"


class OrtFileError(Exception):
    """A file that is not such a model; the message is one line."""


@dataclass(frozen=True, slots=True)
class Graph:
    """Constants by name and, by their node's name, the inputs; those of branches among them."""

    arrays: dict[str, NDArray[Any]]
    inputs: dict[str, list[str]]

    def constant_inputs(self, node: str) -> list[NDArray[Any]]:
        """The constants that a node computes with."""
        return [self.arrays[name] for name in self.inputs[node] if name in self.arrays]

    @property
    def products(self) -> dict[str, str]:
        """Nodes that multiply by an 8-bit matrix, and the matrix's name."""
        found = {}
        for node, inputs in self.inputs.items():
            for name in inputs:
                if name.endswith(_ROUNDED) and name in self.arrays:
                    found[node] = name.removesuffix(_ROUNDED)
        return found

    def rounded(self, name: str) -> tuple[NDArray[np.uint8], float, int]:
        """An 8-bit tensor, its scale and its zero point."""
        scale, zero = self.arrays[f"{name}_scale"], self.arrays[f"{name}_zero_point"]
        return self.arrays[name + _ROUNDED], float(scale), int(zero)


def read_graph(path: Path) -> Graph:
    """All constants and nodes of a file.

    Raises:
        OrtFileError: it cannot be read, or is no such file.
    """
    try:
        data = bytearray(path.read_bytes())
    except OSError as error:
        raise OrtFileError(f"{path} cannot be read: {error}") from error
    if data[4:8] != _IDENTIFIER:
        raise OrtFileError(f"{path} is no model in ONNX Runtime's format (.ort)")
    graph = Graph({}, {})
    try:
        start = encode.Get(number_types.UOffsetTFlags.packer_type, data, 0)
        _gather(_table(_table(Table(data, start), _SESSION_MODEL), _MODEL_GRAPH), graph)
    except (struct.error, TypeError, ValueError, KeyError, IndexError) as error:
        raise OrtFileError(f"{path} is cut off or damaged: {error}") from error
    return graph


def _gather(source: Table, graph: Graph) -> None:
    for tensor in _tables(source, _GRAPH_TENSORS):
        graph.arrays[_text(tensor, _TENSOR_NAME)] = _array(tensor)
    for node in _tables(source, _GRAPH_NODES):
        graph.inputs[_text(node, _NODE_NAME)] = _texts(node, _NODE_INPUTS)
        for attribute in _tables(node, _NODE_ATTRIBUTES):
            if _offset(attribute, _ATTRIBUTE_GRAPH):
                _gather(_table(attribute, _ATTRIBUTE_GRAPH), graph)


def _array(tensor: Table) -> NDArray[Any]:
    number = _offset(tensor, _TENSOR_TYPE)
    kind = tensor.Get(number_types.Int32Flags, tensor.Pos + number) if number else 0
    data = _numbers(tensor, _TENSOR_DATA, np.uint8).tobytes()
    return np.frombuffer(data, _TYPES[kind]).reshape(_numbers(tensor, _TENSOR_SHAPE, np.int64))


def _offset(table: Table, field: int) -> int:
    return int(table.Offset(4 + 2 * field))


def _table(table: Table, field: int) -> Table:
    return Table(table.Bytes, table.Indirect(table.Pos + _offset(table, field)))


def _elements(table: Table, field: int) -> Iterator[int]:
    """Where the elements of a vector of references are."""
    offset = _offset(table, field)
    if offset:
        start = table.Vector(offset)
        yield from (start + 4 * i for i in range(table.VectorLen(offset)))


def _tables(table: Table, field: int) -> Iterator[Table]:
    return (Table(table.Bytes, table.Indirect(at)) for at in _elements(table, field))


def _text(table: Table, field: int) -> str:
    offset = _offset(table, field)
    return str(table.String(table.Pos + offset).decode()) if offset else ""


def _texts(table: Table, field: int) -> list[str]:
    return [str(table.String(at).decode()) for at in _elements(table, field)]


def _numbers(table: Table, field: int, kind: type) -> NDArray[Any]:
    offset = _offset(table, field)
    if not offset:
        return np.zeros(0, kind)
    start, length = table.Vector(offset), table.VectorLen(offset)
    return np.frombuffer(table.Bytes, kind, count=length, offset=start)
