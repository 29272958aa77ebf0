"""Two recognisers that a user could install instead: PocketSphinx, and Whisper by faster-whisper.

Both get whole utterances, offline, with their defaults. They want 16 kHz, so the 8 kHz band is
resampled down and up again for them, as the engine does for itself.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from bench.eval.audio import WIDE_HZ, Samples, read_at_16_khz, to_float
from bench.eval.cache import Cache
from bench.eval.errors import EvalError
from bench.eval.extras import extra
from bench.eval.manifest import Clip
from bench.eval.progress import progress
from spoken_form import to_spoken

WHISPER_FILES: Final = ("model.bin", "config.json", "tokenizer.json")

Transcribe = Callable[[Samples], str]


class Baseline:
    """A recogniser, loaded only if something is not in the cache."""

    def __init__(self, name: str, identity: str, load: Callable[[], Transcribe]) -> None:
        self.name = name
        self._identity = identity
        self._load = load
        self._transcribe: Transcribe | None = None

    def hear(self, clips: Sequence[Clip], band_hz: int, cache: Cache) -> list[str]:
        """What it makes of each clip, in spoken form."""
        title = f"{self.name}, {band_hz // 1000} kHz"
        return [
            to_spoken(self._hear(read_at_16_khz(clip.audio, band_hz), cache))
            for clip in progress(clips, title)
        ]

    def _hear(self, samples: Samples, cache: Cache) -> str:
        key = (self._identity, samples.tobytes())
        text = cache.find(*key)
        if not isinstance(text, str):
            if self._transcribe is None:
                self._transcribe = self._load()
            text = self._transcribe(samples)
            cache.keep(text, *key)
        return text


def pocketsphinx() -> Baseline:
    """PocketSphinx with the acoustic and language model that its package brings."""
    package = extra("pocketsphinx")
    identity = f"pocketsphinx {version('pocketsphinx')}"
    return Baseline("PocketSphinx", identity, lambda: _load(package))


def _load(package: Any) -> Transcribe:
    decoder = package.Decoder(samprate=WIDE_HZ, loglevel="FATAL")
    initial_mean = decoder.get_cmn(False)

    def transcribe(samples: Samples) -> str:
        # Results are kept by their audio alone, so nothing heard before may change what is heard.
        decoder.set_cmn(initial_mean)
        decoder.start_utt()
        decoder.process_raw(samples.tobytes(), full_utt=True)
        decoder.end_utt()
        hypothesis = decoder.hyp()
        return hypothesis.hypstr if hypothesis else ""

    return transcribe


def whisper(folder: Path) -> Baseline:
    """The Whisper model in ``folder`` (CTranslate2's format) at int8, beam 5, on one thread.

    Raises:
        EvalError: the folder lacks a file, or the package is missing.
    """
    missing = [name for name in WHISPER_FILES if not (folder / name).is_file()]
    if missing:
        raise EvalError(
            f"--whisper {folder} has no {missing[0]}: it should be a Whisper model converted for "
            "CTranslate2, such as Systran/faster-whisper-tiny.en"
        )
    package = extra("faster_whisper")
    weights = hashlib.sha256((folder / "model.bin").read_bytes()).hexdigest()
    identity = f"faster-whisper {version('faster-whisper')} int8 {weights}"

    def load() -> Transcribe:
        model = package.WhisperModel(
            str(folder), device="cpu", compute_type="int8", cpu_threads=1, local_files_only=True
        )

        def transcribe(samples: Samples) -> str:
            segments, _ = model.transcribe(to_float(samples), language="en")
            return " ".join(segment.text.strip() for segment in segments)

        return transcribe

    return Baseline(f"Whisper ({folder.name})", identity, load)
