"""Whisper by CTranslate2: audio of utterances in, hypotheses in spoken form out.

Any Whisper directory in CTranslate2's format (what faster-whisper takes) will do. Utterances are
batched only with others of the same shape.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any, Final

import ctranslate2
import numpy as np
from numpy.typing import NDArray

from gpu_worker.second_pass import SecondPassError
from gpu_worker.second_pass.ctranslate2_device import CPU
from gpu_worker.second_pass.features import HOP_SAMPLES, SILENCE_S, LogMel
from gpu_worker.second_pass.hearing import (
    BEAM_SIZE,
    MIN_TOKENS,
    SAMPLE_RATE_HZ,
    TOKENS_PER_S,
    hypotheses,
    load_tokenizer,
    unspoken_tokens,
)
from shm.heard import Heard

HEARING_TIMEOUT_S: Final = 60
"""A hundred times what an utterance takes on one idle core."""
POLL_S: Final = 0.002
MODEL_FILES: Final = ("model.bin", "config.json", "tokenizer.json")
_DEFAULT_SUPPRESSED: Final = -1  # CTranslate2's mark for the model's own list of non-speech tokens


class Whisper:
    """A loaded model. Not shared between threads."""

    can_be_stopped = False  # CTranslate2 goes on, and the next utterance would wait for it
    has_threads = True

    def __init__(self, directory: Path, device: str, precision: str = "auto") -> None:
        """``device`` is "cpu" or "cuda:N", ``precision`` auto, float32 or int8.

        Hears a second of silence, so that what cannot run at all shows here, not with a client.

        Raises:
            SecondPassError: what of the directory is missing or wrong, and what would be right.
        """
        _check_files(directory)
        kind, _, index = device.partition(":")
        try:
            self._model = ctranslate2.models.Whisper(
                str(directory),
                device=kind,
                device_index=int(index or 0),
                compute_type=_compute_type(kind, precision),
                inter_threads=1,
                intra_threads=1,
            )
            self._tokenizer = load_tokenizer(directory)
            self._log_mel = LogMel(self._model.n_mels)
            self._prompt = self._prompt_tokens(directory)
            end_of_text = self._special(directory, "<|endoftext|>")
            self._suppressed = [_DEFAULT_SUPPRESSED, *unspoken_tokens(self._tokenizer, end_of_text)]
            self.hear([np.zeros(SAMPLE_RATE_HZ, np.int16)])
        except SecondPassError:
            raise
        except (RuntimeError, ValueError, IndexError, MemoryError) as error:
            reason = " ".join(str(error).split())
            raise SecondPassError(
                f"{directory}: cannot be used as a Whisper model in CTranslate2's format on "
                f"{device} ({reason:.200})"
            ) from error

    def hear(
        self,
        utterances: Sequence[NDArray[np.int16]],
        *,
        thorough: bool = True,
        while_waiting: Callable[[], None] = lambda: None,
    ) -> list[tuple[Heard, ...]]:
        """See `Hearing.hear`; `HEARING_TIMEOUT_S` is for a batch."""
        heard: list[tuple[Heard, ...]] = [()] * len(utterances)
        features = {i: self._log_mel(pcm) for i, pcm in enumerate(utterances) if len(pcm)}
        by_shape = sorted(features, key=lambda i: features[i].shape)
        for _, same in groupby(by_shape, key=lambda i: features[i].shape):
            batch = list(same)
            stacked = np.ascontiguousarray(np.stack([features[i] for i in batch]))
            for i, result in zip(batch, self._generate(stacked, thorough), strict=True):
                _wait(result, while_waiting)
                heard[i] = self._hypotheses(result.result())
        return heard

    def _generate(self, features: NDArray[np.float32], thorough: bool) -> Iterable[Any]:
        """A future for each utterance; ``features`` are (utterances, bands, frames).

        Their shape alone bounds the tokens: were it the longest utterance, what one gives would
        depend on its neighbours.
        """
        seconds = features.shape[-1] * HOP_SAMPLES // SAMPLE_RATE_HZ - SILENCE_S
        tokens = MIN_TOKENS + TOKENS_PER_S * seconds
        beam = BEAM_SIZE if thorough else 1
        results: list[Any] = self._model.generate(
            ctranslate2.StorageView.from_array(features),
            [self._prompt] * len(features),
            beam_size=beam,
            num_hypotheses=beam,
            length_penalty=0.0,  # scores are log-probabilities, not their means
            max_length=2 * tokens,  # CTranslate2 keeps half of it for a prompt of earlier text
            suppress_tokens=self._suppressed,
            return_scores=True,
            asynchronous=True,
        )
        return results

    def _hypotheses(self, result: Any) -> tuple[Heard, ...]:
        texts = map(self._tokenizer.decode, result.sequences_ids)
        return hypotheses(zip(texts, result.scores, strict=True))

    def _prompt_tokens(self, directory: Path) -> list[int]:
        """English, transcribed, without time stamps."""
        names = ["<|startoftranscript|>", "<|notimestamps|>"]
        if self._model.is_multilingual:
            names[1:1] = ["<|en|>", "<|transcribe|>"]
        return [self._special(directory, name) for name in names]

    def _special(self, directory: Path, name: str) -> int:
        number = self._tokenizer.token_to_id(name)
        if number is None:
            raise SecondPassError(
                f"{directory}/tokenizer.json has no token {name}: it is not Whisper's"
            )
        return number


def _compute_type(kind: str, precision: str) -> str:
    """CTranslate2's name for it. Its 8 bits run on every processor."""
    if precision == "float32":
        return precision
    return "int8" if kind == CPU else "int8_float16"


def _wait(result: Any, while_waiting: Callable[[], None]) -> None:
    deadline_s = time.monotonic() + HEARING_TIMEOUT_S
    while not result.done():
        if time.monotonic() > deadline_s:
            raise TimeoutError(f"an utterance was not heard within {HEARING_TIMEOUT_S} s")
        while_waiting()
        time.sleep(POLL_S)


def _check_files(directory: Path) -> None:
    missing = [name for name in MODEL_FILES if not (directory / name).is_file()]
    if missing:
        raise SecondPassError(
            f"{directory} has no {', '.join(missing)}: a Whisper model in CTranslate2's format "
            f"has {', '.join(MODEL_FILES)}"
        )
    try:
        json.loads((directory / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise SecondPassError(f"{directory}/config.json cannot be read as JSON: {error}") from error
