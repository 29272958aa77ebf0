"""What a model directory declares about itself, in `model.json`, read without any framework.

The supervisor sizes the shared plane from it, the worker builds the network, the decoder the
search. A model directory holds `model.json`, the weights that it names and, where the model has
one, a KenLM language model with its word list.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

SPEC_FILE: Final = "model.json"


class ModelSpecError(Exception):
    """A model directory that cannot be used; the message is one line."""


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """The contract of one acoustic model. Frames are emissions; samples are at the model's rate.

    A chunk is ``chunk_frames`` emissions. Its log-probabilities depend on the segment's audio from
    ``left_frames`` before the chunk to ``right_samples`` after it, and on the model's state if it
    carries one. ``margin_samples`` more are staged before the left context (what the first feature
    frame of the window reaches back). ``hop_samples`` is the step of a feature frame: a segment of
    n samples has ceil((n // hop_samples) / (frame_samples / hop_samples)) emissions.
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
        for name in ("sample_rate_hz", "frame_samples", "hop_samples", "chunk_frames"):
            if type(fields[name]) is not int or fields[name] < 1:
                raise ModelSpecError(f"{path}: {name} must be a positive integer")
        for name in ("left_frames", "right_samples", "margin_samples", "blank"):
            if type(fields[name]) is not int or fields[name] < 0:
                raise ModelSpecError(f"{path}: {name} must be an integer from 0")
        for name in ("name", "architecture"):
            if not isinstance(fields[name], str):
                raise ModelSpecError(f"{path}: {name} must be a string")
        for name in ("weights", "language_model", "second_pass"):
            if not isinstance(fields[name], str | None):
                raise ModelSpecError(f"{path}: {name} must be a name or null")
        vocabulary = fields["vocabulary"]
        if not isinstance(vocabulary, list) or not all(isinstance(t, str) for t in vocabulary):
            raise ModelSpecError(f"{path}: vocabulary must be a list of strings")
        if fields["blank"] >= len(vocabulary):
            raise ModelSpecError(f"{path}: blank must be an index of the vocabulary")
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

    def frames_of(self, samples: int) -> int:
        """How many emissions a segment of ``samples`` has."""
        per_frame = self.frame_samples // self.hop_samples
        return -(-(samples // self.hop_samples) // per_frame)
