from __future__ import annotations

import pytest
import torch

from gpu_worker.second_pass.moonshine_network import (
    FIRST_KERNEL,
    LEAST_SAMPLES,
    TOKENS_AT_A_TIME,
    MoonshineNetwork,
    MoonshineShape,
    Rotation,
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


# -- encoder


@pytest.mark.parametrize("samples", [LEAST_SAMPLES, LEAST_SAMPLES + 383, 16_000, 33_333])
def test_a_frame_for_every_384_samples(network: MoonshineNetwork, samples: int) -> None:
    assert frames(network, 0, samples).shape == (1 + (samples - LEAST_SAMPLES) // 384, SHAPE.width)


def test_less_than_a_frame_cannot_be_encoded(network: MoonshineNetwork) -> None:
    with pytest.raises(RuntimeError):
        network.encoder(torch.zeros(LEAST_SAMPLES - 1))
    assert LEAST_SAMPLES > FIRST_KERNEL


def test_every_frame_hears_all_of_the_utterance(network: MoonshineNetwork) -> None:
    samples = torch.randn(16_000, generator=torch.Generator().manual_seed(1))
    before = network.encoder(samples)
    samples[-300:] *= -1
    assert (network.encoder(samples) != before).any(-1).all()


def test_louder_is_the_same_but_for_the_first_layer(network: MoonshineNetwork) -> None:
    """The norm over time takes the level away, as far as tanh has not."""
    quiet = 1e-3 * torch.randn(16_000, generator=torch.Generator().manual_seed(1))
    network.encoder.groupnorm.eps = 1e-12
    torch.testing.assert_close(
        network.encoder(2 * quiet), network.encoder(quiet), rtol=1e-2, atol=1e-2
    )


# -- rotation


def test_a_rotation_knows_distances_alone() -> None:
    """What two positions make of each other does not change when both are moved."""
    rotation = Rotation(SHAPE)
    query, key = torch.randn(2, 8, generator=torch.Generator().manual_seed(0))

    def product(at: int, other: int) -> float:
        turned = [
            rotation(one[None], rotation.angles(place, place + 1))
            for one, place in ((query, at), (key, other))
        ]
        return float((turned[0] * turned[1]).sum())

    assert product(3, 10) == pytest.approx(product(103, 110), abs=1e-4)
    assert abs(product(3, 10) - product(3, 11)) > 1e-3


def test_the_rest_of_a_head_does_not_turn() -> None:
    rotation = Rotation(SHAPE)
    head = torch.ones(1, 8)
    turned = rotation(head, rotation.angles(40, 41))
    assert torch.equal(turned[:, SHAPE.rotated :], head[:, SHAPE.rotated :])
    assert not torch.equal(turned[:, : SHAPE.rotated], head[:, : SHAPE.rotated])
    assert turned.norm() == pytest.approx(float(head.norm()), rel=1e-5)


# -- decoder


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
