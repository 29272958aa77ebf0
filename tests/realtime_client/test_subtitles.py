"""realtime_client/subtitles.py: where subtitles are cut, and how they are written."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from realtime_client.messages import Word
from realtime_client.subtitles import LINE_CHARS, LINES, LONGEST_MS, to_srt

BLOCK = re.compile(
    r"(\d+)\n(\d\d+):(\d\d):(\d\d),(\d{3}) --> (\d\d+):(\d\d):(\d\d),(\d{3})\n((?:.+\n)+)"
)


def spoken(text: str, start_ms: int = 0, word_ms: int = 300) -> list[Word]:
    return [
        Word(word, 0.5, start_ms + word_ms * n, start_ms + word_ms * (n + 1), is_stable=True)
        for n, word in enumerate(text.split())
    ]


def test_times_of_a_long_recording() -> None:
    start_ms = ((27 * 60 + 46) * 60 + 39) * 1000 + 7
    assert to_srt([spoken("late", start_ms, 1500)]) == "1\n27:46:39,007 --> 27:46:40,507\nlate\n"


def test_a_full_subtitle_is_cut_between_words() -> None:
    text = " ".join(["word"] * 20)  # 99 characters: two lines of at most 42 hold 16 words
    assert to_srt([spoken(text, word_ms=100)]) == (
        "1\n00:00:00,000 --> 00:00:01,600\n"
        "word word word word word word word word\n"
        "word word word word word word word word\n\n"
        "2\n00:00:01,600 --> 00:00:02,600\nword word word word\n"
    )


def test_a_long_subtitle_is_cut() -> None:
    assert to_srt([spoken("slow " * 10, word_ms=1000)]).count("-->") == 2


def test_a_pause_is_not_bridged() -> None:
    words = [*spoken("before it"), *spoken("after it", 1600)]
    assert to_srt([words]) == (
        "1\n00:00:00,000 --> 00:00:01,000\nbefore it\n\n"
        "2\n00:00:01,600 --> 00:00:02,600\nafter it\n"
    )


def test_a_short_one_gives_way_to_the_next() -> None:
    assert "00:00:00,000 --> 00:00:00,500" in to_srt([spoken("yes"), spoken("no", 500)])


def test_a_word_longer_than_a_line() -> None:
    assert "x" * 100 in to_srt([spoken("x" * 100)])


@given(st.lists(st.lists(st.tuples(
    st.text("abc,.$5'-", min_size=1, max_size=20), st.integers(0, 3000), st.integers(0, 2000),
), max_size=30), max_size=4))  # fmt: skip
def test_any_words(utterances: list[list[tuple[str, int, int]]]) -> None:
    """Every word is there, in order; measures are kept; times go on."""
    now_ms, spoken_words = 0, []
    for utterance in utterances:
        words = []
        for text, pause_ms, length_ms in utterance:
            start_ms = now_ms + pause_ms
            now_ms = start_ms + length_ms
            words.append(Word(text, 0.5, start_ms, now_ms, is_stable=True))
        spoken_words.append(words)
    srt = to_srt(spoken_words)
    blocks = BLOCK.findall(srt)
    assert "\n".join("".join(m.group(0)) for m in BLOCK.finditer(srt)) == srt
    assert [int(block[0]) for block in blocks] == list(range(1, len(blocks) + 1))
    shown = " ".join(block[9].replace("\n", " ").strip() for block in blocks)
    assert shown.split() == [word.text for words in spoken_words for word in words]
    before_ms = 0
    for block in blocks:
        start_ms, end_ms = (
            ((int(h) * 60 + int(m)) * 60 + int(s)) * 1000 + int(ms)
            for h, m, s, ms in (block[1:5], block[5:9])
        )
        assert before_ms <= start_ms <= end_ms <= start_ms + LONGEST_MS
        before_ms = end_ms
        lines = block[9].splitlines()
        assert len(lines) <= LINES
        assert all(len(line) <= LINE_CHARS for line in lines)
