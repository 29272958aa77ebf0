from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import nn

from gpu_worker.acoustic import _native
from gpu_worker.acoustic.int8 import Int8Conv1d, Int8Linear, is_supported, round_layers
from gpu_worker.acoustic.load import load_model
from gpu_worker.acoustic.whisper_ctc import WhisperCtc
from gpu_worker.stepper import ThreadedStepper
from models import WHISPER_CTC_MODEL
from models.spec import ModelSpec

CPU = torch.device("cpu")
Floats = NDArray[np.float32]

pytestmark = pytest.mark.skipif(not is_supported(), reason="needs AVX-512 VNNI")


def made_up(rows: int, inputs: int, outputs: int, seed: int) -> tuple[Floats, Floats, Floats]:
    """Rows, weights and bias."""
    rng = np.random.default_rng(seed)
    shapes = ((rows, inputs), (outputs, inputs), (outputs,))
    found = [rng.normal(size=shape).astype(np.float32) for shape in shapes]
    return found[0], found[1], found[2]


def rounded(values: Floats) -> tuple[NDArray[np.int64], Floats]:
    """Each row in 8 bits, and its scale."""
    highest = np.abs(values).max(axis=1, keepdims=True)
    inverse = np.divide(127, highest, out=np.zeros_like(highest), where=highest > 0)
    return np.rint(values * inverse).astype(np.int64), highest / np.float32(127)


def by_hand(rows: Floats, weight: Floats, bias: Floats) -> Floats:
    in8, in_scale = rounded(rows)
    weight8, weight_scale = rounded(weight)
    sums = (in8 @ weight8.T).astype(np.float32)
    return sums * (weight_scale.T * in_scale) + bias


def run(rows: Floats, weight: Floats, bias: Floats, *, may_use_amx: bool = True) -> Floats:
    out = np.empty((len(rows), len(weight)), np.float32)
    _native.Int8Linear(weight=weight, bias=bias, may_use_amx=may_use_amx).run(rows, out)
    return out


@pytest.mark.parametrize("may_use_amx", [False, True])
@settings(deadline=None)
@given(
    rows=st.integers(0, 70),
    inputs=st.integers(1, 140),
    outputs=st.integers(1, 70),
    seed=st.integers(0, 99),
)
def test_it_is_to_the_bit_what_its_definition_says(
    may_use_amx: bool, rows: int, inputs: int, outputs: int, seed: int
) -> None:
    layer = made_up(rows, inputs, outputs, seed)
    np.testing.assert_array_equal(run(*layer, may_use_amx=may_use_amx), by_hand(*layer))


def test_what_a_call_has_left_in_memory_does_not_matter() -> None:
    """Wide rows first, then fewer and narrower ones, which end within a tile."""
    wide, narrow = made_up(70, 140, 40, seed=4), made_up(9, 65, 17, seed=5)
    run(*wide)
    np.testing.assert_array_equal(run(*narrow), by_hand(*narrow))


def test_sums_do_not_overflow() -> None:
    ones = np.ones((9, 1536), np.float32)
    assert run(ones, ones, np.zeros(9, np.float32)) == pytest.approx(1536)
    assert run(-ones, ones, np.zeros(9, np.float32)) == pytest.approx(-1536)


def test_rows_and_weights_of_nothing_give_the_bias() -> None:
    rows, weight, bias = made_up(3, 20, 5, seed=1)
    nothing = np.zeros_like
    assert (run(nothing(rows), weight, bias) == bias).all()
    assert (run(rows, nothing(weight), bias) == bias).all()


def test_the_tiniest_numbers_are_nothing() -> None:
    rows, weight, bias = made_up(3, 20, 5, seed=1)
    tiny = np.full_like(rows, 1e-38)
    tiny[:, 0] = 0.0
    assert (run(tiny, weight, bias) == bias).all()


def test_it_is_near_to_float32() -> None:
    rows, weight, bias = made_up(50, 384, 384, seed=2)
    exact = rows @ weight.T + bias
    assert np.abs(run(rows, weight, bias) - exact).max() < 0.02 * np.abs(exact).max()


def test_several_threads_may_use_one_layer() -> None:
    rows, weight, bias = made_up(64, 384, 384, seed=3)
    layer = _native.Int8Linear(weight=weight, bias=bias)

    def one(row: int) -> Floats:
        out = np.empty((1, 384), np.float32)
        layer.run(rows[row : row + 1], out)
        return out[0]

    with ThreadPoolExecutor(4) as threads:
        found = np.stack(list(threads.map(one, range(64))))
    np.testing.assert_array_equal(found, by_hand(rows, weight, bias))


@pytest.mark.parametrize(
    ("rows", "out", "error"),
    [
        (np.zeros((2, 3), np.float32), np.zeros((2, 5), np.float32), ValueError),
        (np.zeros((2, 4), np.float32), np.zeros((3, 5), np.float32), ValueError),
        (np.zeros((2, 4), np.float32), np.zeros((2, 4), np.float32), ValueError),
        (np.zeros(4, np.float32), np.zeros((1, 5), np.float32), ValueError),
        (np.zeros((2, 4)), np.zeros((2, 5), np.float32), TypeError),
        (np.zeros((2, 4), np.float32), np.zeros((2, 5)), TypeError),
        (np.zeros((4, 2), np.float32).T, np.zeros((2, 5), np.float32), TypeError),
    ],
)
def test_arrays_of_another_shape_or_type_are_refused(
    rows: Floats, out: Floats, error: type[Exception]
) -> None:
    layer = _native.Int8Linear(weight=np.zeros((5, 4), np.float32), bias=np.zeros(5, np.float32))
    with pytest.raises(error):
        layer.run(rows, out)


@pytest.mark.parametrize(("weight", "bias"), [((5, 4), 4), ((0, 4), 0), ((4, 0), 4), ((4,), 4)])
def test_a_layer_needs_weights_that_fit(weight: tuple[int, ...], bias: int) -> None:
    with pytest.raises(ValueError, match=r"outputs"):
        _native.Int8Linear(weight=np.zeros(weight, np.float32), bias=np.zeros(bias, np.float32))


def test_layers_are_replaced_but_one() -> None:
    kept = nn.Linear(4, 2)
    model = nn.Sequential(nn.Linear(4, 4), nn.Sequential(nn.GELU(), nn.Linear(4, 4)), kept)
    frames = torch.randn(2, 3, 4)
    with torch.inference_mode():
        before = model(frames)
        round_layers(model, but=kept)
        after = model(frames)
    assert isinstance(model[0], Int8Linear)
    assert isinstance(model[1][1], Int8Linear)
    assert model[2] is kept
    assert after.shape == before.shape
    assert (after - before).abs().max() < 0.1


@pytest.mark.parametrize("padding", [0, 1])
@pytest.mark.parametrize(("kernel", "stride", "frames"), [(7, 3, 40), (3, 2, 9), (3, 1, 3)])
def test_a_convolution_is_near_to_float32(
    kernel: int, stride: int, frames: int, padding: int
) -> None:
    torch.manual_seed(0)
    conv = nn.Conv1d(16, 24, kernel, stride=stride, padding=padding)
    heard = torch.randn(2, frames, 16)
    with torch.inference_mode():
        exact, near = conv(heard.transpose(1, 2)).transpose(1, 2), Int8Conv1d(conv)(heard)
    assert near.shape == exact.shape
    assert not torch.equal(near, exact)
    assert (near - exact).abs().max() < 0.03 * exact.abs().max()


@pytest.mark.parametrize("activation", [F.gelu, F.silu])
def test_an_activation_comes_with_it(activation: Callable[[torch.Tensor], torch.Tensor]) -> None:
    """To 1e-6 over all that there may be, and to nothing far below zero."""
    rows = np.linspace(-40, 40, 8001, dtype=np.float32)[:, None]
    layer = _native.Int8Linear(weight=np.ones((1, 1), np.float32), bias=np.zeros(1, np.float32))
    before, after = np.empty_like(rows), np.empty_like(rows)
    layer.run(rows, before)
    layer.run(rows, after, activation.__name__)
    exact = activation(torch.from_numpy(before).double())
    torch.testing.assert_close(torch.from_numpy(after).double(), exact, rtol=1e-6, atol=3e-7)


def test_an_activation_that_there_is_not() -> None:
    layer = _native.Int8Linear(weight=np.ones((1, 1), np.float32), bias=np.zeros(1, np.float32))
    with pytest.raises(ValueError, match="none, gelu or silu"):
        layer.run(np.ones((1, 1), np.float32), np.ones((1, 1), np.float32), "relu")


def test_rows_may_overlap() -> None:
    samples, weight, bias = made_up(1, 21, 1, seed=6)[0], *made_up(1, 9, 4, seed=7)[1:]
    windows = np.lib.stride_tricks.as_strided(samples, (7, 9), (2 * 4, 4))
    assert not windows.flags.c_contiguous
    np.testing.assert_array_equal(run(windows, weight, bias), by_hand(windows, weight, bias))


@pytest.fixture(scope="module")
def spec() -> ModelSpec:
    return ModelSpec.load(WHISPER_CTC_MODEL)


@pytest.mark.parametrize("int8", [True, False])
def test_a_stream_s_numbers_do_not_depend_on_its_neighbours(spec: ModelSpec, int8: bool) -> None:
    """Bit for bit, on the CPU."""
    stepper = ThreadedStepper(load_model(spec, CPU, int8=int8), spec, 3)
    rng = np.random.default_rng(4)
    windows = (rng.normal(size=(3, spec.window_samples)) * 2000).astype(np.int16)

    def steps(*chosen: int) -> Floats:
        for item, window in enumerate(chosen):
            stepper.stage(item, item + 1, first=True)[:] = windows[window]
            stepper.bound(item, 0, spec.window_samples)
        return stepper.run(len(chosen)).copy()

    together = steps(0, 1, 2)
    for window in range(3):
        np.testing.assert_array_equal(steps(window)[0], together[window])
    np.testing.assert_array_equal(steps(2, 0), together[[2, 0]])


def test_a_whole_model_says_nearly_the_same(spec: ModelSpec) -> None:
    models = [load_model(spec, CPU), load_model(spec, CPU, int8=True)]
    assert all(isinstance(model, WhisperCtc) for model in models)
    rng = np.random.default_rng(5)
    pcm = torch.from_numpy((rng.normal(size=(1, spec.window_samples)) * 2000).astype(np.int16))
    inputs = pcm, torch.tensor([[0, spec.window_samples]]), torch.zeros(1), torch.ones(1)
    with torch.inference_mode():
        exact, near = (model.step(*inputs).exp() for model in models)
    assert not torch.equal(exact, near)
    assert (exact - near).abs().max() < 0.05
