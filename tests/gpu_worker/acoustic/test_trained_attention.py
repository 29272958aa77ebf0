"""The attention that training uses is the one that serving uses, and so are its gradients."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import scaled_dot_product_attention

from gpu_worker.acoustic.trained_attention import trained_attention

NEVER = -30_000.0


def _inputs(dtype: torch.dtype) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(5)
    shapes = (2, 3, 4, 6), (2, 3, 7, 6), (2, 3, 7, 6)
    return [torch.randn(shape, generator=generator).to(dtype).requires_grad_() for shape in shapes]


@pytest.mark.parametrize("masked", [False, True])
def test_result_and_gradients_are_those_of_the_fused_one(masked: bool) -> None:
    mask = torch.zeros(2, 1, 1, 7)
    mask[1, ..., 4:] = NEVER
    ours, reference = _inputs(torch.float32), _inputs(torch.float32)

    queries, keys, values = ours
    attended = trained_attention(queries, keys, values, mask if masked else None)
    queries, keys, values = reference
    expected = scaled_dot_product_attention(queries, keys, values, mask if masked else None)
    weights = torch.linspace(-1, 1, attended.numel()).view_as(attended)
    torch.autograd.backward((attended * weights).sum())
    torch.autograd.backward((expected * weights).sum())

    torch.testing.assert_close(attended, expected)
    for own, other in zip(ours, reference, strict=True):
        torch.testing.assert_close(own.grad, other.grad)


def test_in_bfloat16_it_stays_near() -> None:
    queries, keys, values = _inputs(torch.bfloat16)
    with torch.autocast("cpu", torch.bfloat16):
        attended = trained_attention(queries, keys, values, None)
    torch.autograd.backward(attended.float().sum())
    exact = _inputs(torch.float32)
    expected = scaled_dot_product_attention(exact[0], exact[1], exact[2])
    torch.autograd.backward(expected.sum())

    assert attended.dtype is torch.bfloat16
    assert values.grad is not None
    torch.testing.assert_close(attended.float(), expected, atol=0.03, rtol=0.03)
    torch.testing.assert_close(values.grad.float(), exact[2].grad, atol=0.05, rtol=0.05)
