from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import nn

from gpu_worker.acoustic.balance import balance
from gpu_worker.acoustic.int8 import Int8Linear, is_supported

WIDTH = 64
LOUD = 5
"""A number that comes out of the norm much larger than the others."""


class Network(nn.Module):
    def __init__(self, *, with_bias: bool) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(WIDTH, bias=with_bias)
        self.followers = [nn.Linear(WIDTH, 48), nn.Linear(WIDTH, 48)]
        rng = torch.Generator().manual_seed(2)
        self.norm.weight.uniform_(0.5, 2.0, generator=rng)
        self.norm.weight[LOUD] = 100.0
        if with_bias:
            self.norm.bias.uniform_(-1.0, 1.0, generator=rng)
        for follower in self.followers:
            follower.weight.uniform_(-0.1, 0.1, generator=rng)
            follower.weight[:, LOUD] /= 100.0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        normed = self.norm(x)
        return torch.cat([follower(normed) for follower in self.followers], -1)

    def balance(self, x: torch.Tensor) -> None:
        balance(lambda: self(x), [(self.norm, self.followers)])


@pytest.fixture(autouse=True)
def _no_gradients() -> Iterator[None]:
    with torch.no_grad():
        yield


@pytest.fixture
def x() -> torch.Tensor:
    return torch.randn(3, 20, WIDTH, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("with_bias", [False, True])
def test_the_function_stays(x: torch.Tensor, *, with_bias: bool) -> None:
    network = Network(with_bias=with_bias)
    before = network(x)
    network.balance(x)
    torch.testing.assert_close(network(x), before, rtol=1e-4, atol=1e-4)
    assert network.norm.weight[LOUD] < 10.0


def test_numbers_that_never_come_do_no_harm(x: torch.Tensor) -> None:
    network = Network(with_bias=False)
    network.norm.weight[3] = 0.0
    for follower in network.followers:
        follower.weight[:, 7] = 0.0
    before = network(x)
    network.balance(x)
    torch.testing.assert_close(network(x), before, rtol=1e-4, atol=1e-4)


@pytest.mark.skipif(not is_supported(), reason="needs AVX-512 VNNI")
def test_8_bits_lose_less(x: torch.Tensor) -> None:
    network = Network(with_bias=True)
    exact = network(x)

    def error() -> float:
        normed = network.norm(x)
        rounded = torch.cat([Int8Linear(one)(normed) for one in network.followers], -1)
        return float((rounded - exact).square().mean().sqrt())

    before = error()
    network.balance(x)
    assert error() < before / 3
