"""Writes what `ort_file` reads, by the same schema, with the flatbuffers library's own builder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import flatbuffers
import numpy as np
from numpy.typing import NDArray

TYPES = {"float32": 1, "uint8": 2, "int8": 3, "int64": 7}


def ort_file(
    arrays: Mapping[str, NDArray[Any]],
    nodes: Mapping[str, Sequence[str]],
    branch: tuple[Mapping[str, NDArray[Any]], Mapping[str, Sequence[str]]] | None = None,
) -> bytes:
    """A session with constants and nodes (their inputs), and those of one node's branch."""
    writer = _Writer()
    inner = writer.graph(*branch) if branch is not None else None
    graph = writer.graph(arrays, nodes, inner)
    model = writer.table({7: graph})
    session = writer.table({0: writer.text("1.0"), 1: model})
    writer.builder.Finish(session, file_identifier=b"ORTM")
    return bytes(writer.builder.Output())


class _Writer:
    def __init__(self) -> None:
        self.builder = flatbuffers.Builder(1024)

    def text(self, text: str) -> int:
        return int(self.builder.CreateString(text))

    def table(self, fields: Mapping[int, int]) -> int:
        self.builder.StartObject(12)
        for number, offset in fields.items():
            self.builder.PrependUOffsetTRelativeSlot(number, offset, 0)
        return int(self.builder.EndObject())

    def offsets(self, offsets: Sequence[int]) -> int:
        self.builder.StartVector(4, len(offsets), 4)
        for offset in reversed(offsets):
            self.builder.PrependUOffsetTRelative(offset)
        return int(self.builder.EndVector())

    def tensor(self, name: str, array: NDArray[Any]) -> int:
        named = self.text(name)
        shape = self.builder.CreateNumpyVector(np.array(array.shape, np.int64))
        data = self.builder.CreateByteVector(array.tobytes())
        self.builder.StartObject(7)
        for number, offset in ((0, named), (2, shape), (4, data)):
            self.builder.PrependUOffsetTRelativeSlot(number, offset, 0)
        self.builder.PrependInt32Slot(3, TYPES[array.dtype.name], 0)
        return int(self.builder.EndObject())

    def node(self, name: str, inputs: Sequence[str], branch: int | None) -> int:
        fields = {0: self.text(name), 8: self.offsets([self.text(one) for one in inputs])}
        if branch is not None:
            attribute = self.table({0: self.text("then_branch"), 7: branch})
            fields[10] = self.offsets([attribute])
        return self.table(fields)

    def graph(
        self,
        arrays: Mapping[str, NDArray[Any]],
        nodes: Mapping[str, Sequence[str]],
        branch: int | None = None,
    ) -> int:
        tensors = self.offsets([self.tensor(name, array) for name, array in arrays.items()])
        written = [self.node(name, inputs, None) for name, inputs in nodes.items()]
        if branch is not None:
            written.append(self.node("if", ["condition"], branch))
        return self.table({0: tensors, 2: self.offsets(written)})
