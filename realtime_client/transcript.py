"""The finals of a stream put together: as a text, as words, as subtitles."""

from __future__ import annotations

from dataclasses import dataclass

from realtime_client.messages import Hypothesis, Word
from realtime_client.subtitles import to_srt


@dataclass(frozen=True, slots=True)
class Transcript:
    """What was said, from the first to the last utterance."""

    finals: tuple[Hypothesis, ...]

    @property
    def text(self) -> str:
        """All utterances in one line."""
        return " ".join(final.text for final in self.finals if final.text)

    @property
    def words(self) -> tuple[Word, ...]:
        """All words, with times of the whole stream."""
        return tuple(word for final in self.finals for word in final.words)

    def to_srt(self) -> str:
        """The contents of a subtitle file (SubRip, ``.srt``)."""
        return to_srt([final.words for final in self.finals])
