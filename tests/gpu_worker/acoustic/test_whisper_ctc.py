"""whisper-tiny-ctc-en, through the whole worker, against another implementation's results.

The reference ran over each utterance at once. Here the same audio arrives in pieces, is cut into
windows and batched, and must give the same numbers.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from gpu_worker.acoustic.features import HOP_SAMPLES, SILENCE
from gpu_worker.acoustic.load import load_model
from gpu_worker.acoustic.whisper_ctc import WhisperCtc
from models import WHISPER_CTC_MODEL
from models.spec import ModelSpec
from tests.gpu_worker.acoustic.windowed import (
    CPU,
    SLOTS,
    TOLERANCE,
    Engine,
    assert_same,
    step,
    without_endpoints,
)

GOLDEN: Final = Path(__file__).parents[2] / "data" / "golden_log_probs.npz"
CLIPS: Final = ("652-130726-0028", "2412-153954-0013", "2803-154328-0022")


@dataclass(frozen=True)
class Clip:
    samples: NDArray[np.int16]
    log_probs: NDArray[np.float32]


@pytest.fixture(scope="module")
def clips() -> dict[str, Clip]:
    with np.load(GOLDEN) as golden:
        return {
            name: Clip(golden[f"samples_{name}"], golden[f"log_probs_{name}"]) for name in CLIPS
        }


@pytest.fixture(scope="module")
def spec() -> ModelSpec:
    return ModelSpec.load(WHISPER_CTC_MODEL)


@pytest.fixture(scope="module")
def model(spec: ModelSpec) -> WhisperCtc:
    model = load_model(spec, CPU)
    assert isinstance(model, WhisperCtc)
    return model


@pytest.fixture
def engine(spec: ModelSpec, model: WhisperCtc, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    engine = uncut_engine(spec, model, monkeypatch)
    yield engine
    engine.close()


def uncut_engine(spec: ModelSpec, model: WhisperCtc, monkeypatch: pytest.MonkeyPatch) -> Engine:
    """An engine that ends no utterance in a pause."""
    without_endpoints(monkeypatch)
    return Engine(spec, model)


@pytest.mark.parametrize(
    "name", [CLIPS[0], *(pytest.param(clip, marks=pytest.mark.slow) for clip in CLIPS[1:])]
)
def test_a_clip_gives_the_references_log_probabilities(
    engine: Engine, clips: dict[str, Clip], name: str
) -> None:
    slot = engine.open(0)
    slot.write_audio(clips[name].samples)
    slot.write_mark()
    engine.run()
    assert_same(engine.log_probs(0), clips[name].log_probs)


@pytest.mark.slow
@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    cuts=st.lists(st.integers(0, 48_000), max_size=12),
    slot=st.integers(0, SLOTS - 1),
    neighbours=st.sets(st.integers(0, SLOTS - 1)),
)
def test_any_arrival_in_any_slot_beside_any_neighbours(
    spec: ModelSpec,
    model: WhisperCtc,
    clips: dict[str, Clip],
    cuts: list[int],
    slot: int,
    neighbours: set[int],
) -> None:
    clip, other = clips[CLIPS[0]], clips[CLIPS[1]].samples
    with pytest.MonkeyPatch.context() as monkeypatch:
        engine = uncut_engine(spec, model, monkeypatch)
    mine = engine.open(slot)
    beside = [engine.open(neighbour) for neighbour in neighbours - {slot}]
    begin = 0
    for end in [*sorted(min(cut, clip.samples.shape[0]) for cut in cuts), clip.samples.shape[0]]:
        mine.write_audio(clip.samples[begin:end])
        for neighbour in beside:
            neighbour.write_audio(other[begin:end])
        engine.run()
        begin = end
    mine.write_mark()
    engine.run()
    assert_same(engine.log_probs(slot), clip.log_probs)
    engine.close()


def test_a_second_segment_is_as_if_it_were_the_first(
    engine: Engine, clips: dict[str, Clip]
) -> None:
    """Nothing of the audio before its start is in its windows."""
    clip = clips[CLIPS[0]]
    slot = engine.open(1)
    slot.write_audio(clips[CLIPS[1]].samples[:20_000])
    slot.write_mark()
    slot.write_audio(clip.samples)
    slot.write_mark()
    engine.run()
    assert_same(engine.log_probs(1, segment=1), clip.log_probs)


def windows_of(clip: Clip, spec: ModelSpec, *starts: int) -> torch.Tensor:
    """Windows of a clip, (len(starts), window_samples)."""
    return torch.stack(
        [torch.from_numpy(clip.samples[start:][: spec.window_samples]) for start in starts]
    )


def test_log_probabilities_are_normalised(
    spec: ModelSpec, model: WhisperCtc, clips: dict[str, Clip]
) -> None:
    pcm = windows_of(clips[CLIPS[2]], spec, 0)
    log_probs = step(model, pcm, [[0, spec.window_samples]])
    assert log_probs.shape == (1, spec.chunk_frames, len(spec.vocabulary))
    assert log_probs.dtype == torch.float32
    assert torch.allclose(log_probs.exp().sum(-1), torch.ones(()), atol=1e-5)


def test_items_of_a_batch_do_not_touch(
    spec: ModelSpec, model: WhisperCtc, clips: dict[str, Clip]
) -> None:
    pcm = windows_of(clips[CLIPS[2]], spec, 0, 5_000, 10_000)
    spans = [[0, spec.window_samples], [9_000, spec.window_samples], [0, 60_000]]
    together = step(model, pcm, spans)
    for item in range(3):
        alone = step(model, pcm[item : item + 1], spans[item : item + 1])
        assert torch.allclose(alone[0], together[item], atol=TOLERANCE)


def test_frames_outside_the_segment_are_silence(
    spec: ModelSpec, model: WhisperCtc, clips: dict[str, Clip]
) -> None:
    pcm = windows_of(clips[CLIPS[2]], spec, 0)
    begin = spec.margin_samples + 40 * HOP_SAMPLES
    end = spec.margin_samples + 300 * HOP_SAMPLES + HOP_SAMPLES - 1  # one short of another hop
    mel = model.masked_features(pcm, torch.tensor([[begin, end]]))[0]
    assert mel.shape[1] == 416
    assert (mel[:, :40] == SILENCE).all()
    assert (mel[:, 300:] == SILENCE).all()
    assert torch.equal(mel[:, 40:300], model.features(pcm)[0][:, 40:300])
