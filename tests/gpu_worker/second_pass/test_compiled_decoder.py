"""The compiled decoder against PyTorch's, and against itself: a row depends on itself alone."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import torch

from gpu_worker.acoustic import int8
from gpu_worker.second_pass import _native
from gpu_worker.second_pass.compiled_decoder import CompiledDecoder, CompiledState
from gpu_worker.second_pass.moonshine_network import Decoder, MoonshineNetwork, MoonshineShape

SHAPE = MoonshineShape(
    width=72,
    hidden=50,
    encoder_layers=1,
    decoder_layers=2,
    heads=2,
    rotated=32,
    rotation_base=10_000.0,
    max_tokens=40,
    vocabulary=300,
    start=1,
    end=2,
)
FRAMES = 37

pytestmark = pytest.mark.skipif(not int8.is_supported(), reason="needs AVX-512 VNNI")


@pytest.fixture(autouse=True)
def no_gradients() -> object:
    with torch.inference_mode():
        yield


@pytest.fixture(scope="module")
def decoder() -> Decoder:
    """In float32, with norms that do something."""
    torch.manual_seed(3)
    network = MoonshineNetwork(SHAPE).eval()
    for name, weight in network.decoder.named_parameters():
        if "norm" in name:
            torch.nn.init.uniform_(weight, 0.5, 1.5)
    return network.decoder


@pytest.fixture(scope="module")
def compiled(decoder: Decoder) -> CompiledDecoder:
    return CompiledDecoder(decoder, SHAPE)


@pytest.fixture
def frames() -> torch.Tensor:
    return torch.randn(FRAMES, SHAPE.width, generator=torch.Generator().manual_seed(4))


def said(
    decoder: CompiledDecoder | Decoder, frames: torch.Tensor, texts: Sequence[Sequence[int]]
) -> torch.Tensor:
    """Log-probabilities after texts of the same length, (texts, vocabulary), a row for each."""
    state = decoder.begin([frames], len(texts))
    for tokens in zip(*texts, strict=True):
        newest = decoder(torch.tensor(tokens), state)  # type: ignore[arg-type]
    return newest


def test_it_is_near_to_float32(
    decoder: Decoder, compiled: CompiledDecoder, frames: torch.Tensor
) -> None:
    """As near as 8 bits come: the layers are small here, and so their scales are coarse."""
    texts = [[1, 5, 9, 200, 7], [1, 6, 30, 8, 299], [1, 5, 9, 200, 8]]
    ours, theirs = said(compiled, frames, texts), said(decoder, frames, texts)
    assert (ours - theirs).abs().mean() < 0.02
    assert (ours - theirs).abs().max() < 0.15


def test_it_is_nearer_to_pytorch_with_the_same_layers(
    compiled: CompiledDecoder, frames: torch.Tensor
) -> None:
    """The first token: from the second on, a number that is rounded otherwise shows."""
    torch.manual_seed(3)
    rounded = MoonshineNetwork(SHAPE).eval().decoder
    exact = CompiledDecoder(rounded, SHAPE)
    int8.round_layers(rounded)
    ours, theirs = said(exact, frames, [[1], [7]]), said(rounded, frames, [[1], [7]])
    torch.testing.assert_close(ours, theirs, rtol=0, atol=2e-3)


def test_log_probabilities_are_those_of_something(
    compiled: CompiledDecoder, frames: torch.Tensor
) -> None:
    found = said(compiled, frames, [[1, 2], [1, 3]])
    torch.testing.assert_close(found.exp().sum(-1), torch.ones(2), rtol=1e-5, atol=1e-5)


def test_what_is_forbidden_has_no_chance(frames: torch.Tensor) -> None:
    torch.manual_seed(3)
    network = MoonshineNetwork(SHAPE).eval()
    network.decoder.forbid([4, 17])
    found = said(CompiledDecoder(network.decoder, SHAPE), frames, [[1, 5]])
    assert found[0, [4, 17]].tolist() == [-torch.inf, -torch.inf]
    assert torch.isfinite(found).sum() == SHAPE.vocabulary - 2


@pytest.mark.parametrize("rows", range(1, 9))
def test_a_row_depends_on_itself_alone(
    compiled: CompiledDecoder, frames: torch.Tensor, rows: int
) -> None:
    """To the bit, in whatever company and at whatever place."""
    text = [1, 5, 9]
    (alone,) = said(compiled, frames, [text])
    for place in range(rows):
        texts = [[1, 20 + row, 40 + row] for row in range(rows)]
        texts[place] = text
        assert torch.equal(said(compiled, frames, texts)[place], alone)


def test_rows_go_on_from_others(compiled: CompiledDecoder, frames: torch.Tensor) -> None:
    """As a beam search does: rows end, and others go on in their place, twice in a row."""
    state = compiled.begin([frames], 3)
    compiled(torch.tensor([1, 1, 1]), state)
    state.follow(torch.tensor([0, 0, 0]))
    compiled(torch.tensor([5, 6, 7]), state)
    state.follow(torch.tensor([2, 0, 2]))
    compiled(torch.tensor([8, 9, 10]), state)
    state.follow(torch.tensor([1, 2, 0]))
    found = compiled(torch.tensor([11, 12, 13]), state)
    texts = [[1, 5, 9, 11], [1, 7, 10, 12], [1, 7, 8, 13]]
    assert torch.equal(found, said(compiled, frames, texts))
    assert state.rows.length == 4


@pytest.mark.parametrize("count", [1, 15, 16, 17, 64])
def test_any_number_of_frames(decoder: Decoder, compiled: CompiledDecoder, count: int) -> None:
    frames = torch.randn(count, SHAPE.width, generator=torch.Generator().manual_seed(count))
    ours, theirs = said(compiled, frames, [[1, 5]]), said(decoder, frames, [[1, 5]])
    assert (ours - theirs).abs().mean() < 0.02


def begun(compiled: CompiledDecoder, frames: torch.Tensor) -> CompiledState:
    return compiled.begin([frames], 2)


def test_a_text_has_an_end(compiled: CompiledDecoder, frames: torch.Tensor) -> None:
    state = begun(compiled, frames)
    for _ in range(SHAPE.max_tokens):
        compiled(torch.tensor([1, 1]), state)
    with pytest.raises(ValueError, match="no text is that long"):
        compiled(torch.tensor([1, 1]), state)


@pytest.mark.parametrize("tokens", [[-1, 1], [1, SHAPE.vocabulary]])
def test_a_token_that_is_none(
    compiled: CompiledDecoder, frames: torch.Tensor, tokens: list[int]
) -> None:
    with pytest.raises(IndexError):
        compiled(torch.tensor(tokens), begun(compiled, frames))


@pytest.mark.parametrize("parents", [[0, 2], [-1, 0]])
def test_a_parent_that_is_none(
    compiled: CompiledDecoder, frames: torch.Tensor, parents: list[int]
) -> None:
    with pytest.raises(IndexError):
        begun(compiled, frames).follow(torch.tensor(parents))


def test_shapes_that_do_not_fit(compiled: CompiledDecoder, frames: torch.Tensor) -> None:
    native = compiled._decoder
    good = np.zeros((2, 2, 36, 5), np.float32)
    with pytest.raises(ValueError, match="keys and values"):
        native.begin(good[:1], good, 1)
    with pytest.raises(ValueError, match="keys and values"):
        native.begin(good, good[..., :4].copy(), 1)
    for rows in (0, 9):
        with pytest.raises(ValueError, match="1 to 8 rows"):
            native.begin(good, good, rows)
    with pytest.raises(ValueError, match="tokens are"):
        compiled(torch.tensor([1, 1, 1]), begun(compiled, frames))
    with pytest.raises(ValueError, match="parents are"):
        begun(compiled, frames).follow(torch.tensor([0]))


def test_layers_that_do_not_fit(decoder: Decoder) -> None:
    vector, square = np.zeros(8, np.float32), np.zeros((8, 8), np.float32)
    layer = {
        "norm_self": vector, "norm_cross": vector, "norm_mlp": vector,
        "query_key_value": (np.zeros((24, 8), np.float32), np.zeros(24, np.float32)),
        "self_out": (square, vector), "cross_query": (square, vector),
        "cross_out": (square, vector),
        "gated_in": (np.zeros((12, 8), np.float32), np.zeros(12, np.float32)),
        "out": (np.zeros((8, 6), np.float32), vector),
    }  # fmt: skip
    rest = {
        "embedding": square, "norm": vector, "output": (square, vector), "heads": 2,
        "rotated": 2, "rotation_base": 10.0, "hidden": 6, "max_tokens": 3,
    }  # fmt: skip
    _native.TokenDecoder(layers=[layer], **rest)
    for wrong in (
        {"heads": 3},
        {"rotated": 3},
        {"rotated": 6},
        {"hidden": 7},
        {"norm": vector[:7]},
    ):
        with pytest.raises(ValueError, match=r"must|has a weight|weight is"):
            _native.TokenDecoder(layers=[layer], **{**rest, **wrong})
