"""Compiled layers against PyTorch's with the same 8-bit linear layers, and against themselves.

Between the two a sum in another order may tip a number over to the next of the 255 that there are:
so differences are small on average, and the largest is a step of an 8-bit scale.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from gpu_worker.acoustic import _native
from gpu_worker.acoustic.compiled_encoder import CompiledLayers, LayerParts
from gpu_worker.acoustic.int8 import is_supported, round_layers
from gpu_worker.acoustic.moonshine_encoder import EncoderLayer, EncoderShape, Rotation

SHAPE = EncoderShape(
    width=72, hidden=50, encoder_layers=2, heads=2, rotated=32, rotation_base=10_000.0
)
SLICES = (slice(None), slice(3, 20), slice(40, 41))

pytestmark = pytest.mark.skipif(not is_supported(), reason="needs AVX-512 VNNI")


@pytest.fixture(autouse=True)
def no_gradients() -> Iterator[None]:
    with torch.inference_mode():
        yield


class Stack(nn.Module):
    """Layers with rotated positions and norms without a bias, as Moonshine's."""

    def __init__(self, shape: EncoderShape, layers: int) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.rotation = Rotation(shape)
        self.layers = nn.ModuleList(EncoderLayer(shape) for _ in range(layers))
        self.norm = nn.LayerNorm(shape.width, bias=False)
        for name, weight in self.named_parameters():
            if "norm" in name:
                nn.init.uniform_(weight, 0.5, 1.5)

    def forward(
        self, x: torch.Tensor, heard: torch.Tensor | None = None, wanted: slice = slice(None)
    ) -> torch.Tensor:
        angles = self.rotation.angles(0, x.shape[1])
        mask = None if heard is None else torch.where(heard, 0.0, -3e4)[:, None, None]
        *lower, top = self.layers
        for layer in lower:
            x = layer(x, self.rotation, angles, mask)
        out: torch.Tensor = self.norm(top(x, self.rotation, angles, mask, wanted))
        return out

    def compiled(self, *, may_use_amx: bool = True) -> CompiledLayers:
        layers: Sequence[Any] = list(self.layers)
        return CompiledLayers(
            [
                LayerParts(
                    norm=layer.input_layernorm,
                    queries_keys_values=(
                        layer.self_attn.q_proj,
                        layer.self_attn.k_proj,
                        layer.self_attn.v_proj,
                    ),
                    joined=layer.self_attn.o_proj,
                    norm_mlp=layer.post_attention_layernorm,
                    into_hidden=layer.mlp.fc1,
                    out_of_hidden=layer.mlp.fc2,
                )
                for layer in layers
            ],
            self.norm,
            heads=layers[0].self_attn._heads,
            angles=lambda frames: self.rotation.angles(0, frames),
            may_use_amx=may_use_amx,
        )


@pytest.fixture(scope="module")
def stack() -> Stack:
    return Stack(SHAPE, 2).eval()


@pytest.fixture(scope="module")
def rounded(stack: Stack) -> Stack:
    rounded = copy.deepcopy(stack)
    round_layers(rounded)
    return rounded


@pytest.fixture(scope="module")
def compiled(stack: Stack) -> CompiledLayers:
    return stack.compiled()


def made_up(batch: int, frames: int, width: int = SHAPE.width) -> torch.Tensor:
    return torch.randn(batch, frames, width, generator=torch.Generator().manual_seed(frames))


def assert_near(found: torch.Tensor, expected: torch.Tensor) -> None:
    """Numbers have a spread of about 1."""
    assert found.shape == expected.shape
    differences = (found - expected).abs()
    assert differences.mean() < 2e-3
    assert differences.max() < 0.08


@pytest.mark.parametrize("may_use_amx", [True, False])
@pytest.mark.parametrize("frames", [1, 2, 6, 7, 15, 16, 17, 36, 37, 64, 65, 80, 129, 500])
def test_any_length_is_near_to_pytorch(
    stack: Stack, rounded: Stack, frames: int, may_use_amx: bool
) -> None:
    x = made_up(1, frames)
    assert_near(stack.compiled(may_use_amx=may_use_amx)(x), rounded(x))


def test_it_is_as_near_to_float32_as_8_bits_are(
    stack: Stack, rounded: Stack, compiled: CompiledLayers
) -> None:
    x = made_up(1, 90)
    exact = stack(x)
    error = (compiled(x) - exact).square().mean().sqrt()
    assert error < 1.05 * (rounded(x) - exact).square().mean().sqrt()
    assert error < 0.03


@pytest.mark.parametrize("heads", [1, 2, 3, 6])
def test_heads_of_any_width(heads: int) -> None:
    """72, 36, 24 and 12 numbers: more than four registers, and less than one."""
    shape = EncoderShape(
        width=72, hidden=65, encoder_layers=1, heads=heads, rotated=8, rotation_base=100.0
    )
    stack = Stack(shape, 1).eval()
    rounded = copy.deepcopy(stack)
    round_layers(rounded)
    x = made_up(1, 50)
    assert_near(stack.compiled()(x), rounded(x))


@pytest.mark.parametrize("wanted", SLICES)
def test_only_what_is_wanted_comes_out_of_the_top_layer(
    rounded: Stack, compiled: CompiledLayers, wanted: slice
) -> None:
    x = made_up(1, 50)
    found = compiled(x, wanted=wanted)
    assert torch.equal(found, compiled(x)[:, wanted]), "to the bit"
    assert_near(found, rounded(x, wanted=wanted))


@pytest.mark.parametrize("marks", [range(30), range(17, 50), [0, 5, 6, 49], [33]])
def test_frames_that_are_not_attended_to(
    rounded: Stack, compiled: CompiledLayers, marks: Sequence[int]
) -> None:
    x = made_up(1, 50)
    heard = torch.zeros(1, 50, dtype=torch.bool)
    heard[0, list(marks)] = True
    found = compiled(x, heard=heard)
    assert_near(found, rounded(x, heard))
    x[~heard] = 0.0
    assert torch.equal(compiled(x, heard=heard)[heard], found[heard]), "they do not exist"


def test_where_nothing_is_heard_everything_is(compiled: CompiledLayers) -> None:
    x = made_up(1, 20)
    assert torch.equal(compiled(x, heard=torch.zeros(1, 20, dtype=torch.bool)), compiled(x))


def test_what_goes_into_the_top_layer(stack: Stack, compiled: CompiledLayers) -> None:
    x = made_up(2, 40)
    both = compiled(x, wanted=slice(4, 30), with_below=True)
    assert both.shape == (2, 26, 2 * SHAPE.width)
    assert torch.equal(both[..., SHAPE.width :], compiled(x, wanted=slice(4, 30)))
    one = copy.deepcopy(stack)
    del one.layers[1]
    one.norm = nn.LayerNorm(SHAPE.width, bias=False)
    below = both[..., : SHAPE.width]
    torch.testing.assert_close(
        nn.functional.layer_norm(below, (SHAPE.width,)), one.compiled()(x)[:, 4:30]
    )


def test_windows_of_a_batch_do_not_touch(compiled: CompiledLayers) -> None:
    """To the bit, each with marks of its own."""
    x = made_up(3, 70)
    heard = torch.ones(3, 70, dtype=torch.bool)
    heard[1, 40:] = False
    heard[2, :9] = False
    together = compiled(x, heard=heard)
    for item in range(3):
        mine = slice(item, item + 1)
        assert torch.equal(compiled(x[mine], heard=heard[mine])[0], together[item])


def test_amx_gives_the_same_bits(stack: Stack) -> None:
    x = made_up(1, 90)
    assert torch.equal(stack.compiled(may_use_amx=True)(x), stack.compiled(may_use_amx=False)(x))


def test_several_threads_may_use_one_encoder(compiled: CompiledLayers) -> None:
    windows = [made_up(1, frames) for frames in range(20, 60)]
    alone = [compiled(window) for window in windows]
    with ThreadPoolExecutor(4) as threads:
        together = list(threads.map(compiled, windows))
    assert all(map(torch.equal, alone, together))


def test_an_input_is_not_changed(compiled: CompiledLayers) -> None:
    x = made_up(1, 30)
    before = x.clone()
    compiled(x)
    assert torch.equal(x, before)


# -- what does not fit


def parts(width: int = 8, hidden: int = 6) -> dict[str, Any]:
    def linear(outputs: int, inputs: int) -> tuple[Any, Any]:
        return np.zeros((outputs, inputs), np.float32), np.zeros(outputs, np.float32)

    norm = np.ones(width, np.float32), None
    layer = {
        "norm": norm,
        "query_key_value": linear(3 * width, width),
        "joined": linear(width, width),
        "norm_mlp": norm,
        "in": linear(hidden, width),
        "out": linear(width, hidden),
    }
    return {"layers": [layer], "norm": norm, "width": width, "heads": 2, "hidden": hidden}


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"layers": []}, "must have layers"),
        ({"heads": 3}, "heads must divide"),
        ({"heads": 0}, "heads must divide"),
        ({"hidden": 7}, r"weight is \(7, 8\) here"),
        ({"norm": (np.ones(7, np.float32), None)}, "a norm has a weight"),
        ({"norm": (np.ones(8, np.float32), np.ones(7, np.float32))}, "a norm has a weight"),
    ],
)
def test_layers_that_do_not_fit(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        _native.Transformer(**{**parts(), **wrong})


@pytest.mark.parametrize(
    ("x", "out", "rest", "message"),
    [
        ((1, 5, 7), (1, 5, 8), {}, "x must be"),
        ((1, 5, 8), (2, 5, 8), {}, "x must be"),
        ((1, 5, 8), (1, 5, 9), {}, "rows of out"),
        ((1, 5, 8), (1, 6, 8), {}, "wanted frames"),
        ((1, 5, 8), (1, 3, 8), {"begin": 3}, "wanted frames"),
        ((1, 5, 8), (1, 5, 8), {"heard": np.ones((1, 4), bool)}, "heard must be"),
        (
            (1, 5, 8),
            (1, 5, 8),
            {"angles": (np.ones((5, 8), np.float32), np.ones((5, 4), np.float32))},
            "angles must be",
        ),
    ],
)
def test_arrays_that_do_not_fit(
    x: tuple[int, ...], out: tuple[int, ...], rest: dict[str, Any], message: str
) -> None:
    network = _native.Transformer(**parts())
    with pytest.raises(ValueError, match=message):
        network.run(np.zeros(x, np.float32), np.zeros(out, np.float32), **rest)
