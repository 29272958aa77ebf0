"""Moonshine in PyTorch: audio of utterances in, hypotheses in spoken form out.

Takes the directory that the model's authors publish (config.json, model.safetensors,
tokenizer.json); weights may also be 8-bit integers with a scale and a zero point beside them. The
work follows the length of the utterance, so nothing is padded to 30 s as for Whisper.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file

from gpu_worker.acoustic import int8
from gpu_worker.acoustic.moonshine_encoder import LEAST_SAMPLES
from gpu_worker.device import uses_int8
from gpu_worker.second_pass import SecondPassError
from gpu_worker.second_pass.attention_search import TokenDecoder, Tokens, search
from gpu_worker.second_pass.compiled_decoder import CompiledDecoder
from gpu_worker.second_pass.hearing import (
    BEAM_SIZE,
    MIN_TOKENS,
    SAMPLE_RATE_HZ,
    TOKENS_PER_S,
    hypotheses,
    load_tokenizer,
    unspoken_tokens,
)
from gpu_worker.second_pass.moonshine_network import MoonshineNetwork, MoonshineShape
from shm.heard import Heard

MODEL_FILES: Final = ("model.safetensors", "config.json", "tokenizer.json")
_OUTPUT: Final = "decoder.output.weight"
_OUTPUT_BIAS: Final = "decoder.output.bias"
_EMBEDDING: Final = "decoder.embed_tokens.weight"


class Moonshine:
    """A loaded model. Not shared between threads."""

    can_be_stopped = True
    has_threads = False

    def __init__(self, directory: Path, device: str, precision: str = "auto") -> None:
        """``device`` is "cpu" or "cuda:N", ``precision`` auto, float32 or int8: see `uses_int8`.

        Hears a second of silence, so that what cannot run at all shows here, not with a client.

        Raises:
            SecondPassError: what of the directory is missing or wrong, and what would be right.
            DeviceError: 8 bits are asked for where there are none.
        """
        missing = [name for name in MODEL_FILES if not (directory / name).is_file()]
        if missing:
            raise SecondPassError(
                f"{directory} has no {', '.join(missing)}: a Moonshine model has "
                f"{', '.join(MODEL_FILES)}"
            )
        self._device = torch.device(device)
        self._shape = load_shape(directory / "config.json")
        self._tokenizer = load_tokenizer(directory)
        tokens = self._tokenizer.get_vocab_size()
        if tokens != self._shape.vocabulary:
            raise SecondPassError(
                f"{directory}/tokenizer.json has {tokens} tokens, and in config.json vocab_size is "
                f"{self._shape.vocabulary}: take the model's own"
            )
        network = load_network(directory / "model.safetensors", self._shape)
        unspoken = unspoken_tokens(self._tokenizer, self._shape.vocabulary)
        network.decoder.forbid([token for token in unspoken if token != self._shape.end])
        network.to(self._device).eval()
        self._encoder = network.encoder
        self._decoder: TokenDecoder[Any] = network.decoder
        if uses_int8(precision, self._device):
            self._decoder = CompiledDecoder(network.decoder, self._shape)
            network.encoder.use_int8()
            int8.round_layers(network.decoder)
        self.hear([np.zeros(SAMPLE_RATE_HZ, np.int16)])

    def hear(
        self,
        utterances: Sequence[NDArray[np.int16]],
        *,
        thorough: bool = True,
        while_waiting: Callable[[], None] = lambda: None,
    ) -> list[tuple[Heard, ...]]:
        """See `Hearing.hear`.

        On a CPU one after the other, so that none depends on its company in the last digit either;
        on a GPU their tokens are searched together.
        """
        heard: list[tuple[Heard, ...]] = [()] * len(utterances)
        spoken = [number for number, pcm in enumerate(utterances) if len(pcm)]
        together = 1 if self._device.type == "cpu" else max(1, len(spoken))
        with torch.inference_mode():
            for first in range(0, len(spoken), together):
                batch = spoken[first : first + together]
                found = self._search([utterances[i] for i in batch], thorough, while_waiting)
                for number, texts in zip(batch, found, strict=True):
                    heard[number] = hypotheses(
                        (self._tokenizer.decode(tokens), score) for tokens, score in texts
                    )
        return heard

    def _search(
        self,
        utterances: Sequence[NDArray[np.int16]],
        thorough: bool,
        while_waiting: Callable[[], None],
    ) -> list[list[tuple[Tokens, float]]]:
        frames = []
        for pcm in utterances:
            while_waiting()
            frames.append(self._encoder(self._samples(pcm)))
        seconds = [len(pcm) // SAMPLE_RATE_HZ for pcm in utterances]
        return search(
            self._decoder,
            frames,
            width=BEAM_SIZE if thorough else 1,
            max_tokens=[
                min(MIN_TOKENS + TOKENS_PER_S * s, self._shape.max_tokens) for s in seconds
            ],
            start=self._shape.start,
            end=self._shape.end,
            while_waiting=while_waiting,
        )

    def _samples(self, pcm: NDArray[np.int16]) -> torch.Tensor:
        samples = np.zeros(max(len(pcm), LEAST_SAMPLES), np.float32)
        samples[: len(pcm)] = pcm
        return torch.from_numpy(samples).to(self._device) / 32_768.0


def load_shape(path: Path) -> MoonshineShape:
    """The network's sizes from its config.json.

    Raises:
        SecondPassError: it cannot be read, or is not Moonshine's.
    """
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise SecondPassError(f"{path} cannot be read as JSON: {error}") from error
    kind = config.get("model_type") if isinstance(config, dict) else None
    if kind != "moonshine":
        raise SecondPassError(
            f"{path} is of a model of type '{kind}': the second pass takes 'moonshine', or a "
            "Whisper model in CTranslate2's format"
        )
    config = {**config, **(config.get("rope_parameters") or {})}
    try:
        heads = config["encoder_num_attention_heads"]
        head = config["hidden_size"] // heads
        return MoonshineShape(
            width=config["hidden_size"],
            hidden=config["intermediate_size"],
            encoder_layers=config["encoder_num_hidden_layers"],
            decoder_layers=config["decoder_num_hidden_layers"],
            heads=heads,
            rotated=_rotated(int(head * config["partial_rotary_factor"]), path),
            rotation_base=config["rope_theta"],
            max_tokens=config["max_position_embeddings"],
            vocabulary=config["vocab_size"],
            start=config["decoder_start_token_id"],
            end=config["eos_token_id"],
        )
    except KeyError as error:
        raise SecondPassError(f"{path} has no {error}: take the model's own") from error


def _rotated(numbers: int, path: Path) -> int:
    if numbers % 2:
        raise SecondPassError(
            f"{path} has a partial_rotary_factor that turns {numbers} numbers of each head: "
            "they turn in pairs, so it must be an even number"
        )
    return numbers


def load_network(path: Path, shape: MoonshineShape) -> MoonshineNetwork:
    """The network with the weights in ``path``, in float32 on the CPU.

    Raises:
        SecondPassError: they cannot be read, or do not fit ``shape``.
    """
    try:
        stored = load_file(path)
    except (SafetensorError, OSError) as error:
        raise SecondPassError(f"{path} is not a readable safetensors file: {error}") from error
    weights = _as_floats(stored)
    network = MoonshineNetwork(shape)
    try:
        weights.setdefault(_OUTPUT, weights[_EMBEDDING])  # one table for both, unless published so
        weights.setdefault(_OUTPUT_BIAS, torch.zeros(shape.vocabulary))
        network.load_state_dict(weights)
    except (KeyError, RuntimeError) as error:
        reason = " ".join(str(error).split())
        raise SecondPassError(f"{path} does not fit its config.json: {reason:.300}") from error
    return network


def _as_floats(stored: dict[str, torch.Tensor]) -> dict[str, Any]:
    weights = {}
    for name, tensor in stored.items():
        if name.endswith((".scale", ".zero_point")):
            continue
        floats = tensor.float()
        if tensor.dtype is torch.int8:
            zero, scale = stored[f"{name}.zero_point"].float(), stored[f"{name}.scale"]
            floats = (floats - zero) * scale
        weights[name.removeprefix("model.")] = floats
    if "proj_out.weight" in weights:
        weights[_OUTPUT] = weights.pop("proj_out.weight")
    return weights
