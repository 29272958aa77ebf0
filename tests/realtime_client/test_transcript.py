"""realtime_client/transcript.py: finals put together."""

from __future__ import annotations

from realtime_client.messages import Hypothesis, Word
from realtime_client.transcript import Transcript


def final(text: str, start_ms: int) -> Hypothesis:
    words = tuple(
        Word(word, 0.5, start_ms + 100 * n, start_ms + 100 * (n + 1), is_stable=True)
        for n, word in enumerate(text.split())
    )
    return Hypothesis(text, 0.5, is_final=True, words=words)


def test_texts_and_words_are_joined() -> None:
    transcript = Transcript((final("one two", 0), final("", 0), final("three", 5000)))
    assert transcript.text == "one two three"
    assert [(word.text, word.start_ms) for word in transcript.words] == [
        ("one", 0), ("two", 100), ("three", 5000),
    ]  # fmt: skip


def test_subtitles_keep_utterances_apart() -> None:
    transcript = Transcript((final("one two", 0), final("three", 5000)))
    assert transcript.to_srt() == (
        "1\n00:00:00,000 --> 00:00:01,000\none two\n\n2\n00:00:05,000 --> 00:00:06,000\nthree\n"
    )


def test_nothing_was_said() -> None:
    transcript = Transcript(())
    assert (transcript.text, transcript.words, transcript.to_srt()) == ("", (), "")
