from __future__ import annotations

import pytest
import torch

from gpu_worker.second_pass.moonshine_network import (
    TOKENS_AT_A_TIME,
    MoonshineNetwork,
    MoonshineShape,
)

SHAPE = MoonshineShape(
    width=32,
    hidden=48,
    encoder_layers=2,
    decoder_layers=2,
    heads=4,
    rotated=6,
    rotation_base=10_000.0,
    max_tokens=64,
    vocabulary=20,
    start=1,
    end=2,
)


@pytest.fixture(scope="module")
def network() -> MoonshineNetwork:
    torch.manual_seed(5)
    return MoonshineNetwork(SHAPE).eval()


@pytest.fixture(autouse=True)
def no_gradients() -> object:
    with torch.inference_mode():
        yield


def frames(network: MoonshineNetwork, seed: int, samples: int) -> torch.Tensor:
    random = torch.Generator().manual_seed(seed)
    encoded: torch.Tensor = network.encoder(0.1 * torch.randn(samples, generator=random))
    return encoded


def spelled(network: MoonshineNetwork, heard: torch.Tensor, text: list[int]) -> torch.Tensor:
    """Logits after each token of one text: (tokens, vocabulary)."""
    state = network.decoder.begin([heard], 1)
    return torch.cat([network.decoder(torch.tensor([token]), state) for token in text])


def test_rows_go_on_from_their_parents(network: MoonshineNetwork) -> None:
    """However rows change places, each gives what its own tokens give alone."""
    heard = frames(network, 0, 16_000)
    state = network.decoder.begin([heard], 3)
    random = torch.Generator().manual_seed(3)
    texts: list[list[int]] = [[], [], []]
    for _ in range(TOKENS_AT_A_TIME + 5):
        newest = torch.randint(0, SHAPE.vocabulary, (3,), generator=random)
        for text, token in zip(texts, newest.tolist(), strict=True):
            text.append(token)
        logits = network.decoder(newest, state)
        parents = torch.randint(0, 3, (3,), generator=random)
        last_texts = [list(text) for text in texts]
        texts = [list(texts[parent]) for parent in parents.tolist()]
        state.follow(parents)
    for text, row in zip(last_texts, logits, strict=True):
        torch.testing.assert_close(row, spelled(network, heard, text)[-1], rtol=1e-4, atol=1e-5)


def test_utterances_share_a_state_without_hearing_each_other(network: MoonshineNetwork) -> None:
    """Also where the shorter one's frames are padded."""
    heard = [frames(network, 0, 9_000), frames(network, 1, 30_000), frames(network, 2, 15_000)]
    state = network.decoder.begin(heard, 2)
    text = [1, 7, 3, 12]
    for token in text:
        logits = network.decoder(torch.full((6,), token), state)
    for number, one in enumerate(heard):
        alone = spelled(network, one, text)[-1]
        for row in logits[2 * number : 2 * number + 2]:
            torch.testing.assert_close(row, alone, rtol=1e-4, atol=1e-5)


def test_what_is_heard_matters(network: MoonshineNetwork) -> None:
    first, second = (spelled(network, frames(network, seed, 9_000), [1, 5]) for seed in (0, 1))
    assert not torch.allclose(first, second, atol=1e-3)


def test_the_order_of_tokens_matters(network: MoonshineNetwork) -> None:
    heard = frames(network, 0, 9_000)
    first, second = (spelled(network, heard, text)[-1] for text in ([1, 5, 6, 7], [1, 6, 5, 7]))
    assert not torch.allclose(first, second, atol=1e-3)
