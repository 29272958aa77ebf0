"""The weights in sherpa-onnx's format hear what the engine hears.

What needs the packages of the extra `peers` is left out without them.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from numpy.typing import NDArray

from bench import sherpa
from bench.sherpa import (
    FRAME_SHIFT,
    MODEL,
    PROGRAM,
    TOKENS,
    Geometry,
    export,
    main,
    missing,
    tokens,
)
from gpu_worker.acoustic.features import HOP_SAMPLES, SILENCE, LogMel
from gpu_worker.acoustic.load import load_model
from models import WHISPER_CTC_MODEL
from models.spec import ModelSpec
from tools.loadtest.clips import BUNDLED_AUDIO
from tools.train.evaluate import greedy_text, segment_log_probs

CPU = torch.device("cpu")
SPEC = ModelSpec.load(WHISPER_CTC_MODEL)
GEOMETRY = Geometry.of(SPEC)
CLIPS = ("1272-128104-0000.mp3", "1272-135031-0010.mp3")


def test_a_step_is_a_window() -> None:
    assert Geometry(past=320, chunk=64, heard=96) == GEOMETRY
    assert GEOMETRY.metadata["T"] == "96"
    assert GEOMETRY.metadata["decode_chunk_len"] == "64"


def test_the_silence_after_the_end_lets_the_last_emission_out() -> None:
    tail = round(GEOMETRY.tail_s * 100)
    for frames in range(1, 200):  # a step is made while more than `heard` frames wait
        steps = max(0, -(-(frames + tail - GEOMETRY.heard) // GEOMETRY.chunk))
        assert steps * GEOMETRY.chunk >= frames


def test_tokens_are_written_as_sherpa_onnx_reads_them() -> None:
    lines = tokens(SPEC).splitlines()
    assert lines[:4] == ["<blk> 0", "▁ 1", "' 2", "a 3"]
    assert len(lines) == len(SPEC.vocabulary)


def test_what_is_missing_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sherpa, "PROGRAM", tmp_path / "nothing")
    assert missing() is not None
    assert main([str(tmp_path)]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def samples(clip: str) -> NDArray[np.int16]:
    found, rate_hz = soundfile.read(BUNDLED_AUDIO / clip, dtype="int16")
    assert rate_hz == SPEC.sample_rate_hz
    return np.asarray(found)


def engine_log_probs(clip: str) -> NDArray[np.float32]:
    return segment_log_probs(SPEC, load_model(SPEC, CPU), CPU, samples(clip))


def features(clip: str, frames: int) -> NDArray[np.float32]:
    """(``frames``, 80), silence after the clip's end."""
    pcm = samples(clip)
    margin = np.zeros(SPEC.margin_samples, np.int16)
    heard = LogMel()(torch.from_numpy(np.concatenate([margin, pcm, margin]))[None])[0].numpy().T
    padded = np.full((frames, heard.shape[1]), SILENCE, np.float32)
    whole = len(pcm) // HOP_SAMPLES
    padded[:whole] = heard[:whole]
    return padded


def exported_log_probs(path: Path, clips: tuple[str, ...]) -> NDArray[np.float32]:
    """(clips, frames, vocabulary), stepped side by side as the server does."""
    session = pytest.importorskip("onnxruntime").InferenceSession(path)
    states = {name: value.numpy() for name, value in GEOMETRY.inputs(len(clips)).items()}
    steps = 1 + max(len(samples(clip)) for clip in clips) // HOP_SAMPLES // GEOMETRY.chunk
    frames = steps * GEOMETRY.chunk + GEOMETRY.heard
    heard = np.stack([features(clip, frames) for clip in clips])
    parts = []
    for step in range(steps):
        begin = step * GEOMETRY.chunk
        states["x"] = heard[:, begin : begin + GEOMETRY.heard]
        log_probs, *news = session.run(None, states)
        states = dict(zip(states, [states["x"], *news], strict=True))
        parts.append(log_probs)
    return np.concatenate(parts, 1)


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    for package in sherpa.NEEDED:
        pytest.importorskip(package)

    def make(*, int8: bool) -> Path:
        folder = tmp_path_factory.mktemp("model")
        export(SPEC, folder, int8=int8)
        return folder

    return make


@pytest.mark.slow
def test_in_float32_the_numbers_are_the_engines(exported: Callable[..., Path]) -> None:
    """0.00002 is seen: float32 sums in another order, through nine layers, of numbers down to -30.
    A wrong frame, layer or state would make a difference of whole units."""
    found = exported_log_probs(exported(int8=False) / MODEL, CLIPS)
    for item, clip in enumerate(CLIPS):
        expected = engine_log_probs(clip)
        np.testing.assert_allclose(found[item, : len(expected)], expected, rtol=0, atol=1e-3)


@pytest.mark.slow
def test_in_8_bits_nearly_every_frame_has_the_same_token(exported: Callable[..., Path]) -> None:
    found = exported_log_probs(exported(int8=True) / MODEL, CLIPS[:1])[0]
    expected = engine_log_probs(CLIPS[0])
    same = found[: len(expected)].argmax(1) == expected.argmax(1)
    assert same.mean() > 0.95


@pytest.mark.slow
@pytest.mark.server
def test_the_server_says_what_the_engine_hears(exported: Callable[..., Path]) -> None:
    """With its frames on the engine's grid; another FFT computes them, so a letter may differ."""
    if not PROGRAM.exists():
        pytest.skip("needs sherpa-onnx-bin")
    folder = exported(int8=False)
    assert (folder / TOKENS).exists()
    with sherpa.sherpa(folder, SPEC) as (url, _):
        heard = asyncio.run(_said(url, samples(CLIPS[0]))).split()
    expected = greedy_text(SPEC, engine_log_probs(CLIPS[0])).split()
    assert SequenceMatcher(None, heard, expected).ratio() > 0.9, (heard, expected)


async def _said(url: str, pcm: NDArray[np.int16]) -> str:
    from websockets.asyncio.client import connect

    lead = np.zeros(FRAME_SHIFT, np.float32)
    audio = np.concatenate([lead, pcm.astype(np.float32) / 32768]).astype("<f4")
    text = ""
    async with connect(url, compression=None) as connection:
        await connection.send(audio.tobytes())
        await connection.send("Done")
        is_final = False
        async with asyncio.timeout(60):
            while not is_final:  # "Done!" may come before it
                raw = await connection.recv()
                if raw != "Done!":
                    result: dict[str, Any] = json.loads(raw)
                    text, is_final = result["text"], result["is_final"]
    return text
