"""Speech made from text, by one voice: a corpus for `prepare` that teaches spelling.

What encoders hear, a new head must learn to spell, and a few hours of recordings hold few of the
language's words. The voice is that of hibari-tts (Apache-2.0, distilled from Kokoro-82M), which
speaks a minute in a second of a core. Clip n follows from (seed, n) alone, and a run that was
stopped goes on after its last clip.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray
from tqdm import tqdm

from tools.train.readers import CorpusError

VOICE_RATE_HZ: Final = 24_000
RATE_HZ: Final = 16_000
SPEAKER: Final = "hibari-heart"
WORDS: Final = (4, 34)
"""How many words an utterance has at least; the last line of it may add some."""
MOST_WORDS: Final = 45
_TRIES: Final = 1000
SPEEDS: Final = (0.85, 1.2)

Voice = Callable[[str, float, int], NDArray[np.float32]]
"""Text, speed and seed to samples (n,) in -1..1 at `VOICE_RATE_HZ`."""


def hibari() -> Voice:
    """The voice.

    Raises:
        CorpusError: the library is not installed.
    """
    try:
        from hibari import Hibari  # noqa: PLC0415 - only who makes speech needs it
    except ImportError:
        install = "pip install -c constraints.txt '.[speech]'"
        raise CorpusError(f"speech is made by hibari-tts: {install}") from None
    synthesis = Hibari()

    def say(text: str, speed: float, seed: int) -> NDArray[np.float32]:
        samples: NDArray[np.float32] = synthesis(text, speed=speed, seed=seed)
        return samples

    return say


def lines_of(path: Path) -> list[str]:
    """The lines of a text file, which may be gzipped.

    Raises:
        CorpusError: it cannot be read, or holds none.
    """
    opened = gzip.open if path.suffix == ".gz" else open
    try:
        with opened(path, "rt", encoding="utf-8") as file:
            lines = [line.strip() for line in file if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise CorpusError(f"{path} is no text that can be read: {error}") from error
    if not lines:
        raise CorpusError(f"{path} holds no line of text")
    return lines


def passage(lines: Sequence[str], rng: np.random.Generator) -> str:
    """Lines from a random place on, until they have as many words as were drawn.

    Raises:
        CorpusError: lines are too long to be said in one breath.
    """
    for _ in range(_TRIES):
        wanted = int(rng.integers(*WORDS))
        first = int(rng.integers(len(lines)))
        words: list[str] = []
        for line in lines[first : first + wanted]:
            words += line.split()
            if len(words) >= wanted:
                break
        if words and len(words) <= MOST_WORDS:
            return " ".join(words)
    raise CorpusError(
        f"hardly a line has less than {MOST_WORDS} words: one sentence a line, please"
    )


def speak(
    lines: Sequence[str], voice: Voice, output: Path, hours: float, seed: int
) -> dict[str, Any]:
    """Writes FLAC files and ``clips.jsonl``, a manifest for `readers.manifest`.

    Returns a summary.
    """
    output.mkdir(parents=True, exist_ok=True)
    manifest = output / "clips.jsonl"
    clips = []
    if manifest.exists():
        clips = [json.loads(line) for line in manifest.read_text(encoding="utf-8").splitlines()]
    spoken_s = sum(clip["seconds"] for clip in clips)
    with (
        manifest.open("a", encoding="utf-8") as file,
        tqdm(total=round(hours * 3600), initial=round(spoken_s), desc="speak", unit="s") as bar,
    ):
        number = len(clips)
        while spoken_s < hours * 3600:
            rng = np.random.default_rng([seed, number])
            text = passage(lines, rng)
            samples = voice(text, float(rng.uniform(*SPEEDS)), int(rng.integers(1 << 31)))
            resampled = soxr.resample(samples, VOICE_RATE_HZ, RATE_HZ)
            name = f"{number:06d}.flac"
            soundfile.write(output / name, resampled.clip(-1.0, 1.0), RATE_HZ)
            seconds = round(len(resampled) / RATE_HZ, 3)
            clip = {"audio": name, "text": text, "speaker": SPEAKER, "seconds": seconds}
            file.write(json.dumps(clip) + "\n")
            file.flush()
            number, spoken_s = number + 1, spoken_s + seconds
            bar.update(round(spoken_s) - bar.n)
    return {"clips": number, "hours": round(spoken_s / 3600, 2)}
