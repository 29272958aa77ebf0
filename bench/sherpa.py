"""whisper-tiny-ctc-en as a model of sherpa-onnx, and its online WebSocket server with it.

    python -m bench.sherpa FOLDER [--precision int8]   writes model.onnx and tokens.txt

Its weights go as a model of its type "streaming Zipformer2 CTC", which has all that a window needs:
features as Whisper's, computed by the server; T frames of them for a step, of which it moves on by
``decode_chunk_len``, so that the rest is the look-ahead; emissions of 40 ms; and tensors of
state that it keeps for each stream, joins to a batch, and does not look into. Two of those, meant
for convolutions, hold the frames before the chunk; the others hold nothing. (Its type "T-one CTC"
takes audio, but brings it to 8 kHz and cuts it at 300 ms, whatever the model says.)

State begins as zeros, so what is kept is a feature's distance from silence. Four things differ from
the engine's model, all small: frames are centred 80 samples later; a bin is never more than eight
decades below the loudest of its step, besides the fixed floor; after the end there are zeros
instead of masked frames; and a step waits for one frame more, 10 ms.

Packages, for exporting and serving: `pip install -c constraints.txt '.[peers]'`.
"""

from __future__ import annotations

import argparse
import importlib.util
import logging
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch
from torch import nn

from gpu_worker.acoustic.features import MEL_BINS, SILENCE
from gpu_worker.acoustic.load import load_model
from gpu_worker.acoustic.whisper_ctc import Encoder, Head, WhisperCtc
from models import WHISPER_CTC_MODEL
from models.spec import ModelSpec
from tests.conformance.server_process import HOST, free_port
from tests.conformance.waiting import wait_until

MODEL: Final = "model.onnx"
TOKENS: Final = "tokens.txt"
PROGRAM: Final = Path(sys.executable).parent / "sherpa-onnx-online-websocket-server"
NEEDED: Final = ("onnx", "onnxruntime", "onnxscript")
FRAME_SHIFT: Final = 80
"""Its frames are centred so many samples later than the engine's."""
STATES: Final = ("key", "nonlin_attn", "val1", "val2", "conv1", "conv2", "embed", "processed")
BATCHED: Final = {"x": 0, "key": 1, "nonlin_attn": 1, "val1": 1, "val2": 1}
"""The axis of the batch; 0 for those that are not here."""
OPSET: Final = 18
THREADS: Final = ("--num-work-threads=2", "--num-threads=1", "--max-batch-size=5")
"""The quickest of those tried on two cores (docs/PERFORMANCE.md)."""


@dataclass(frozen=True, slots=True)
class Geometry:
    """A window in feature frames, as the model type has it."""

    past: int
    chunk: int
    heard: int
    """Of a step: the chunk and the look-ahead. T of the model type."""

    @classmethod
    def of(cls, spec: ModelSpec) -> Geometry:
        per_emission = spec.frame_samples // spec.hop_samples
        frames = (spec.window_samples - 2 * spec.margin_samples) // spec.hop_samples + 1
        past = spec.left_frames * per_emission
        return cls(past, spec.chunk_frames * per_emission, frames - past)

    @property
    def metadata(self) -> dict[str, str]:
        """What sherpa-onnx reads from the model: how large its states are, and how it steps."""
        ones = ("query_head_dims", "value_head_dims", "num_heads", "num_encoder_layers")
        return {
            **dict.fromkeys((*ones, "left_context_len"), "1"),
            "encoder_dims": str(MEL_BINS),
            "cnn_module_kernels": str(self.past),  # half of it in each of two states
            "T": str(self.heard),
            "decode_chunk_len": str(self.chunk),
            "feature": "whisper",
        }

    def inputs(self, batch: int) -> dict[str, torch.Tensor]:
        """The step's inputs as a stream begins, in order, of the shapes that the metadata means."""
        shapes = {
            "x": (batch, self.heard, MEL_BINS),
            "key": (1, batch, 1),
            "nonlin_attn": (1, batch, 1, 3 * MEL_BINS // 4),
            "val1": (1, batch, 1),
            "val2": (1, batch, 1),
            "conv1": (batch, MEL_BINS, self.past // 2),
            "conv2": (batch, MEL_BINS, self.past // 2),
            "embed": (batch, 128, 3, 19),
        }
        tensors = {name: torch.zeros(shape) for name, shape in shapes.items()}
        return tensors | {"processed": torch.zeros(batch, dtype=torch.int64)}

    @property
    def tail_s(self) -> float:
        """Silence after the end with which the last emission comes out, in seconds. A step waits
        for one frame more than it hears."""
        return (self.heard + 1) * 0.01


class Streaming(nn.Module):
    """A step as the model type has it: features and states in, log-probabilities and states out."""

    def __init__(self, model: WhisperCtc, geometry: Geometry) -> None:
        super().__init__()
        assert isinstance(model.encoder, Encoder)
        assert isinstance(model.head, Head)
        self.encoder, self.head = model.encoder, model.head
        self._wanted, self._geometry = model.seen_by_chunk, geometry

    def forward(
        self,
        x: torch.Tensor,
        key: torch.Tensor,
        nonlin_attn: torch.Tensor,
        val1: torch.Tensor,
        val2: torch.Tensor,
        conv1: torch.Tensor,
        conv2: torch.Tensor,
        embed: torch.Tensor,
        processed: torch.Tensor,
    ) -> tuple[torch.Tensor, ...]:
        heard = (x.clamp(min=SILENCE) - SILENCE).transpose(1, 2)
        window = torch.cat([conv1, conv2, heard], -1)
        logits = self.head(self.encoder(window + SILENCE, self._wanted))
        chunk, past = self._geometry.chunk, self._geometry.past
        kept = window[..., chunk : chunk + past]
        older, newer = kept[..., : past // 2], kept[..., past // 2 :]
        unused = (key + 0, nonlin_attn + 0, val1 + 0, val2 + 0)  # an output of its own for each
        return (logits.log_softmax(-1), *unused, older, newer, embed + 0, processed + chunk)


def missing() -> str | None:
    """What to install before anything here can be used, in one line; None where it is there."""
    if PROGRAM.exists() and all(importlib.util.find_spec(name) for name in NEEDED):
        return None
    return "sherpa-onnx is left out: pip install -c constraints.txt '.[peers]' adds it"


def export(spec: ModelSpec, folder: Path, *, int8: bool) -> None:
    """Writes `MODEL` and `TOKENS`: in float32, or as sherpa-onnx's own are, with linear layers in 8
    bits that are scaled by what comes (ONNX Runtime's dynamic quantisation)."""
    path = folder / MODEL
    geometry = Geometry.of(spec)
    model = load_model(spec, torch.device("cpu"))
    assert isinstance(model, WhisperCtc)
    with _quiet():
        _export(Streaming(model, geometry).eval(), geometry, path)
        if int8:
            _quantise(path)
    (folder / TOKENS).write_text(tokens(spec), encoding="utf-8")


def tokens(spec: ModelSpec) -> str:
    """The vocabulary as sherpa-onnx reads it, a token and its number on each line."""
    names = ["▁" if token == " " else token for token in spec.vocabulary]
    names[spec.blank] = "<blk>"
    return "".join(f"{name} {number}\n" for number, name in enumerate(names))


@contextmanager
def sherpa(folder: Path, spec: ModelSpec, *flags: str) -> Iterator[tuple[str, int]]:
    """The server with what `export` has written there; gives its URL and its process id.

    Greedy search, and no endpoints: an utterance ends where its client says so.
    """
    port = free_port()
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen(
            [
                PROGRAM,
                f"--port={port}",
                f"--zipformer2-ctc-model={folder / MODEL}",
                f"--tokens={folder / TOKENS}",
                f"--log-file={folder / 'log.txt'}",
                f"--end-tail-padding={Geometry.of(spec).tail_s:.2f}",
                "--enable-endpoint=false",
                *(flags or THREADS),
            ],
            stdout=log,
            stderr=log,
        )

        def is_listening() -> bool:
            log.seek(0)
            said = log.read()
            assert process.poll() is None, f"sherpa-onnx gave up:\n{said}"
            return "Listening on" in said

        try:
            wait_until(is_listening, "sherpa-onnx is ready")
            yield f"ws://{HOST}:{port}", process.pid
        finally:
            process.terminate()
            process.wait()


def _export(step: Streaming, geometry: Geometry, path: Path) -> None:
    import onnx

    inputs = geometry.inputs(2)
    batch = torch.export.Dim("N", min=1, max=64)
    program = torch.onnx.export(
        step,
        tuple(inputs.values()),
        dynamo=True,
        verbose=False,
        opset_version=OPSET,
        input_names=list(inputs),
        output_names=["log_probs", *(f"new_{name}" for name in STATES)],
        dynamic_shapes=tuple({BATCHED.get(name, 0): batch} for name in inputs),
    )
    assert program is not None
    model: Any = program.model_proto
    for key, value in geometry.metadata.items():
        model.metadata_props.add(key=key, value=value)
    onnx.save(model, path)


def _quantise(path: Path) -> None:
    from onnxruntime.quantization import QuantType, quantize_dynamic

    quantize_dynamic(
        path,
        path,
        op_types_to_quantize=["MatMul", "Gemm"],
        weight_type=QuantType.QInt8,
        per_channel=True,
    )


@contextmanager
def _quiet() -> Iterator[None]:
    """Without advice about packages and axes that are not needed."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        logging.disable(logging.WARNING)
        try:
            yield
        finally:
            logging.disable(logging.NOTSET)


def main(arguments: Sequence[str] | None = None) -> int:
    """Exports whisper-tiny-ctc-en; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.sherpa", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--precision", choices=("float32", "int8"), default="float32")
    options = parser.parse_args(arguments)
    lacking = missing()
    if lacking is not None:
        print(lacking, file=sys.stderr)
        return 2
    options.folder.mkdir(parents=True, exist_ok=True)
    export(ModelSpec.load(WHISPER_CTC_MODEL), options.folder, int8=options.precision == "int8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
