"""What a model directory declares about itself, in `model.json`, read without any framework.

The supervisor sizes the shared plane from it, the worker builds the network, the decoder the
search. A model directory holds `model.json`, the weights that it names and, where the model has
one, a KenLM language model with its word list.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

SPEC_FILE: Final = "model.json"

_RULES: Final[tuple[tuple[tuple[str, ...], Callable[[Any], bool], str], ...]] = (
    (
        ("sample_rate_hz", "frame_samples", "hop_samples", "chunk_frames"),
        lambda value: type(value) is int and value >= 1,
        "a positive integer",
    ),
    (
        ("left_frames", "right_samples", "margin_samples", "blank"),
        lambda value: type(value) is int and value >= 0,
        "an integer from 0",
    ),
    (
        ("alpha", "beta"),
        lambda value: type(value) in (int, float) and -100 <= value <= 100,
        "a number from -100 to 100",
    ),
    (
        ("least_support", "sure_support", "missed_nats_per_s"),
        lambda value: type(value) in (int, float) and 0 <= value <= 1000,
        "a number from 0 to 1000",
    ),
    (("stateful",), lambda value: isinstance(value, bool), "true or false"),
    (("name", "architecture"), lambda value: isinstance(value, str), "a string"),
    (
        ("weights", "language_model", "second_pass"),
        lambda value: isinstance(value, str | None),
        "a name or null",
    ),
    (
        ("vocabulary",),
        lambda value: isinstance(value, list) and all(isinstance(token, str) for token in value),
        "a list of strings",
    ),
)
"""Fields of the file, what holds of each value, and what it must be, in words."""


class ModelSpecError(Exception):
    """A model directory that cannot be used; the message is one line."""


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """The contract of one acoustic model. Frames are emissions; samples are at the model's rate.

    A chunk is ``chunk_frames`` emissions. Its log-probabilities depend on the segment's audio from
    ``left_frames`` before the chunk to ``right_samples`` after it, and, if the model is
    ``stateful``, on what it keeps of the segment's chunks before. ``margin_samples`` more are
    staged before the left context (what the first feature frame of the window reaches back).
    ``hop_samples`` is the step of a feature frame: a segment of n samples has
    ceil((n // hop_samples) / (frame_samples / hop_samples)) emissions.

    ``alpha`` weighs a language model against the emissions, over natural logarithms, and ``beta``
    is what each word adds to the score; a model that is surer of its letters wants less of either.
    ``least_support`` and ``sure_support`` are by how much its emissions must prefer a text of the
    second pass to silence, in nats a word; by more than ``missed_nats_per_s`` they prefer the first
    pass's text where the second missed speech. See `gpu_worker.second_pass.choice`.
    """

    directory: Path
    name: str
    architecture: str
    sample_rate_hz: int
    frame_samples: int
    hop_samples: int
    chunk_frames: int
    left_frames: int
    right_samples: int
    margin_samples: int
    vocabulary: tuple[str, ...]
    blank: int
    stateful: bool
    alpha: float
    beta: float
    least_support: float
    sure_support: float
    missed_nats_per_s: float
    weights: str | None
    language_model: str | None
    second_pass: str | None

    @classmethod
    def load(cls, directory: Path) -> ModelSpec:
        """Reads and checks ``directory``/model.json and that the files it names are there.

        Raises:
            ModelSpecError: what is missing or wrong, and what would be right.
        """
        path = directory / SPEC_FILE
        try:
            fields = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise ModelSpecError(f"no model in {directory}: it has no {SPEC_FILE}") from None
        except (OSError, ValueError, RecursionError) as error:
            raise ModelSpecError(f"{path} cannot be read as JSON: {error}") from error
        spec = cls._checked(directory, path, fields)
        for file in (spec.weights, spec.language_model, spec.second_pass):
            if file is not None and not (directory / file).exists():
                raise ModelSpecError(f"{path} names {file}, but {directory / file} does not exist")
        return spec

    @classmethod
    def _checked(cls, directory: Path, path: Path, fields: Any) -> ModelSpec:
        expected = {name for name in cls.__slots__ if name != "directory"}
        if not isinstance(fields, dict) or set(fields) != expected:
            raise ModelSpecError(
                f"{path} must be an object with exactly: {', '.join(sorted(expected))}"
            )
        for names, holds, what in _RULES:
            for name in names:
                if not holds(fields[name]):
                    raise ModelSpecError(f"{path}: {name} must be {what}")
        vocabulary = fields["vocabulary"]
        if fields["blank"] >= len(vocabulary):
            raise ModelSpecError(f"{path}: blank must be an index of the vocabulary")
        if fields["sure_support"] > fields["least_support"]:
            raise ModelSpecError(f"{path}: sure_support must be at most least_support")
        if fields["frame_samples"] % fields["hop_samples"]:
            raise ModelSpecError(f"{path}: hop_samples must divide frame_samples")
        return cls(directory, **{**fields, "vocabulary": tuple(vocabulary)})

    @property
    def frame_s(self) -> float:
        """Seconds of audio for each emission."""
        return self.frame_samples / self.sample_rate_hz

    @property
    def chunk_samples(self) -> int:
        return self.chunk_frames * self.frame_samples

    @property
    def left_samples(self) -> int:
        """Samples of a window before its chunk."""
        return self.left_frames * self.frame_samples + self.margin_samples

    @property
    def window_samples(self) -> int:
        return self.left_samples + self.chunk_samples + self.right_samples

    @property
    def language_model_path(self) -> Path | None:
        return self.directory / self.language_model if self.language_model else None

    @property
    def second_pass_path(self) -> Path | None:
        """The model that hears whole utterances again, a directory relative to this one."""
        return self.directory / self.second_pass if self.second_pass else None

    def frames_within(self, milliseconds: int) -> int:
        """How many whole emissions so much time holds."""
        return milliseconds * self.sample_rate_hz // (1000 * self.frame_samples)

    def frames_of(self, samples: int) -> int:
        """How many emissions a segment of ``samples`` has."""
        per_frame = self.frame_samples // self.hop_samples
        return -(-(samples // self.hop_samples) // per_frame)
