"""The naive design hears what the engine hears, only later."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from bench.naive import Recogniser, Stream
from gpu_worker.acoustic.echo import Echo
from gpu_worker.stepper import EagerStepper
from models.spec import ModelSpec
from tests.conformance.server_process import ECHO
from tests.conformance.spelling import spell

CPU = torch.device("cpu")
TEXT = "one two three four five six"


@pytest.fixture(scope="module")
def recogniser() -> Recogniser:
    spec = ModelSpec.load(ECHO)
    return Recogniser(spec, EagerStepper(Echo(spec), spec, 1, CPU), None, 20)


def messages(audio: NDArray[np.int16]) -> Iterator[bytes]:
    for start in range(0, len(audio), 2048):
        yield audio[start : start + 2048].astype("<i2").tobytes()


def test_an_utterance_is_heard_by_chunks_and_whole(recogniser: Recogniser) -> None:
    stream = Stream(recogniser, recogniser.spec.sample_rate_hz)
    audio = spell(TEXT)
    partials = [partial for message in messages(audio) for partial in stream.hear(message)]
    assert len(partials) == len(audio) // recogniser.spec.chunk_samples
    assert not any(partial.is_final for partial in partials)
    final = stream.done()
    assert " ".join(word.text for word in final.words) == TEXT
    assert final.is_final
    length_ms = len(audio) * 1000 // recogniser.spec.sample_rate_hz
    assert final.words[-1].end_ms <= length_ms
    again = [partial for message in messages(audio) for partial in stream.hear(message)]
    assert again[0].words[0].start_ms >= length_ms, "times are the stream's"
    assert " ".join(word.text for word in stream.done().words) == TEXT


def test_nothing_said_is_an_empty_final(recogniser: Recogniser) -> None:
    assert Stream(recogniser, 16_000).done().words == ()


def test_windows_reach_beyond_their_chunk(recogniser: Recogniser) -> None:
    """As far as the model asks: no partial before the look-ahead is there."""
    spec = replace(recogniser.spec, right_samples=5000)
    stream = Stream(replace(recogniser, spec=spec, stepper=_Blank(spec)), 16_000)  # type: ignore[arg-type]
    chunk = bytes(2 * spec.chunk_samples)
    assert list(stream.hear(chunk)) == []
    assert len(list(stream.hear(bytes(2 * 5000)))) == 1


class _Blank:
    """A stepper that hears nothing."""

    def __init__(self, spec: ModelSpec) -> None:
        self._spec = spec

    def stage(self, item: int, slot_row: int, *, first: bool) -> NDArray[np.int16]:
        return np.zeros(self._spec.window_samples, np.int16)

    def bound(self, item: int, begin: int, end: int) -> None:
        assert 0 <= begin <= end <= self._spec.window_samples

    def run(self, items: int) -> NDArray[np.float32]:
        shape = (items, self._spec.chunk_frames, len(self._spec.vocabulary))
        log_probs = np.full(shape, -20.0, np.float32)
        log_probs[:, :, self._spec.blank] = 0.0
        return log_probs
