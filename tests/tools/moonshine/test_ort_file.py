from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.tools.moonshine.ort_writer import ort_file
from tools.moonshine.ort_file import OrtFileError, read_graph

ARRAYS = {
    "a.weight": np.arange(6, dtype=np.float32).reshape(2, 3),
    "b_quantized": np.array([[1, 255]], np.uint8),
    "b_scale": np.array(0.5, np.float32),
    "b_zero_point": np.array(128, np.uint8),
    "empty": np.zeros(0, np.int64),
}
NODES = {"/x/MatMul_quant": ["x", "b_quantized", "b_scale"], "/y/Add": ["y", "a.weight"]}


def test_constants_and_nodes(tmp_path: Path) -> None:
    path = tmp_path / "model.ort"
    path.write_bytes(ort_file(ARRAYS, NODES))
    graph = read_graph(path)
    assert list(graph.arrays) == list(ARRAYS)
    for name, array in ARRAYS.items():
        assert graph.arrays[name].dtype == array.dtype
        np.testing.assert_array_equal(graph.arrays[name], array)
    assert graph.inputs == NODES
    assert graph.products == {"/x/MatMul_quant": "b"}
    numbers, scale, zero = graph.rounded("b")
    assert (numbers.tolist(), scale, zero) == ([[1, 255]], 0.5, 128)
    (constant,) = graph.constant_inputs("/y/Add")
    np.testing.assert_array_equal(constant, ARRAYS["a.weight"])


def test_what_is_in_a_branch(tmp_path: Path) -> None:
    path = tmp_path / "model.ort"
    path.write_bytes(ort_file({}, {}, branch=(ARRAYS, NODES)))
    graph = read_graph(path)
    assert set(graph.arrays) == set(ARRAYS)
    assert graph.inputs == {**NODES, "if": ["condition"]}


@pytest.mark.parametrize("content", [b"", b"\x08\x00\x00\x00ONNX", bytes(100)])
def test_another_file(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "model.ort"
    path.write_bytes(content)
    with pytest.raises(OrtFileError, match="is no model in ONNX Runtime's format"):
        read_graph(path)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(OrtFileError, match=r"gone\.ort cannot be read"):
        read_graph(tmp_path / "gone.ort")


def test_a_file_that_is_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "model.ort"
    whole = ort_file(ARRAYS, NODES)
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(OrtFileError, match=r"model\.ort is cut off or damaged"):
        read_graph(path)
