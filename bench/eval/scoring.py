"""Word and character error rates, of all clips, by source and by speaker."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from bench.eval.manifest import Clip
from tools.loadtest.wer import edit_distance, plain_words


@dataclass(frozen=True, slots=True)
class Rates:
    """Errors per word and per character of the transcripts, more than 1 if much is made up."""

    clips: int
    words: int
    wer: float
    cer: float


@dataclass(frozen=True, slots=True)
class Speaker:
    """The word error rate of one speaker."""

    name: str
    wer: float


@dataclass(frozen=True, slots=True)
class Score:
    """All clips together, each source, and the speakers from best to worst."""

    overall: Rates
    by_source: dict[str, Rates]
    by_speaker: list[Speaker]

    def as_json(self) -> dict[str, object]:
        """As JSON holds it."""
        return asdict(self)


def score(clips: Sequence[Clip], heard: Sequence[str]) -> Score:
    """What was heard against what was said, clip by clip."""
    pairs = list(zip(clips, heard, strict=True))
    sources: dict[str, list[tuple[str, str]]] = defaultdict(list)
    speakers: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for clip, text in pairs:
        sources[clip.source].append((clip.text, text))
        if clip.speaker:
            speakers[clip.speaker].append((clip.text, text))
    return Score(
        rates([(clip.text, text) for clip, text in pairs]),
        {name: rates(sources[name]) for name in sorted(sources)},
        sorted(
            (Speaker(name, rates(said).wer) for name, said in speakers.items()),
            key=lambda speaker: (speaker.wer, speaker.name),
        ),
    )


def rates(pairs: Sequence[tuple[str, str]]) -> Rates:
    """Rates over pairs of (transcript, hypothesis); 0 if nothing was said."""
    word_errors = words = character_errors = characters = 0
    for transcript, hypothesis in pairs:
        said, heard = plain_words(transcript), plain_words(hypothesis)
        word_errors += edit_distance(said, heard)
        words += len(said)
        character_errors += edit_distance(list(" ".join(said)), list(" ".join(heard)))
        characters += len(" ".join(said))
    return Rates(
        len(pairs), words, word_errors / max(1, words), character_errors / max(1, characters)
    )
