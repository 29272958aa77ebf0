"""By chunks with caches, the network computes what it computes over the whole utterance."""

from __future__ import annotations

import pytest
import torch

from bench.counting import counted
from bench.fastconformer import FastConformer, Shape, build, spec_of
from bench.windows import run, speechlike
from gpu_worker.stepper import EagerStepper, ThreadedStepper

SMALL = Shape(layers=3, width=32, heads=4, channels=8, left_frames=14, vocabulary=9)
SPEC = spec_of(SMALL)
CPU = torch.device("cpu")
CHUNKS = 6
"""More than the left context holds: the oldest frames fall out of it."""


@pytest.fixture
def model() -> FastConformer:
    return build(CPU, 3, SMALL)


def utterances(count: int, chunks: int = CHUNKS) -> torch.Tensor:
    """(count, samples) int16: so many chunks and their look-ahead."""
    pieces = [speechlike(SPEC, count, seed)[:, : SPEC.chunk_samples] for seed in range(chunks)]
    tail = speechlike(SPEC, count, chunks)[:, : SPEC.right_samples]
    return torch.cat([torch.from_numpy(piece) for piece in (*pieces, tail)], 1)


def window(audio: torch.Tensor, chunk: int) -> torch.Tensor:
    begin = chunk * SPEC.chunk_samples
    return audio[..., begin : begin + SPEC.window_samples]


@torch.inference_mode()
def test_chunks_with_caches_equal_the_whole_utterance(model: FastConformer) -> None:
    audio = utterances(3)
    expected = model.whole(audio)
    assert expected.shape == (3, CHUNKS * SPEC.chunk_frames, SMALL.vocabulary)
    stepper = EagerStepper(model, SPEC, 3, CPU)
    rows = [2, 3, 1]
    found = [
        torch.from_numpy(run(stepper, window(audio, chunk).numpy(), rows, first=chunk == 0))
        for chunk in range(CHUNKS)
    ]
    torch.testing.assert_close(torch.cat(found, 1), expected, atol=2e-5, rtol=0)


@torch.inference_mode()
def test_the_left_context_ends_where_it_should(model: FastConformer) -> None:
    """Through one layer, a first chunk that is another changes the subsampled frame behind it too,
    which the fourth chunk attends to, and the convolution carries that over 8 frames more.
    """
    shape = Shape(layers=1, width=32, heads=4, channels=8, left_frames=14, vocabulary=9)
    shallow = build(CPU, 1, shape)
    audio = utterances(1)
    changed = audio.clone()
    changed[:, : SPEC.chunk_samples] = 0
    before, after = shallow.whole(audio), shallow.whole(changed)
    chunk = SPEC.chunk_frames
    assert not torch.allclose(before[:, chunk : 3 * chunk], after[:, chunk : 3 * chunk], atol=1e-4)
    reached = 4 * chunk + SMALL.kernel - 1
    assert not torch.equal(before[:, :reached], after[:, :reached])
    assert torch.equal(before[:, reached:], after[:, reached:])


@torch.inference_mode()
def test_a_segment_forgets_the_one_before(model: FastConformer) -> None:
    audio = utterances(1)
    stepper = ThreadedStepper(model, SPEC, 2)
    fresh = run(stepper, window(audio, 0).numpy(), [1], first=True)
    for chunk in range(1, 3):
        run(stepper, window(audio, chunk).numpy(), [1], first=False)
    assert (run(stepper, window(audio, 0).numpy(), [1], first=True) == fresh).all()


def test_the_published_geometry_has_the_published_size() -> None:
    """About 114 million, of which the transducer's prediction and joint networks are some 5."""
    with torch.device("meta"):
        model = FastConformer(Shape(), 1)
    count = sum(parameter.numel() for parameter in model.parameters())
    assert 105e6 < count < 114e6


def test_its_work_can_be_counted(model: FastConformer) -> None:
    found = counted(model, SPEC)
    assert found.row_operations > 0
    assert found.row_bytes > 2 * model.state_bytes
