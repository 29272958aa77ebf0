from __future__ import annotations

import bz2
import gzip
import lzma
from collections.abc import Callable
from pathlib import Path

import pytest

from tools.lm.errors import LmError
from tools.lm.text import held_out, read_corpus, read_lines


def text(directory: Path, content: str | bytes) -> Path:
    path = directory / "text.txt"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def test_lines_come_in_spoken_form_sentence_by_sentence(tmp_path: Path) -> None:
    path = text(tmp_path, "Take 2 tablets daily. Then rest!\n\n  don't worry  \n--\n")
    corpus = read_corpus(path)
    assert corpus.lines == ["take two tablets daily", "then rest", "don't worry"]
    assert corpus.unspeakable == 0


def test_a_title_does_not_end_a_sentence(tmp_path: Path) -> None:
    assert len(read_corpus(text(tmp_path, "Mr. Smith met Dr. Jones.")).lines) == 1


def test_a_byte_order_mark_is_no_word(tmp_path: Path) -> None:
    assert read_corpus(text(tmp_path, b"\xef\xbb\xbfyes\n")).lines == ["yes"]


@pytest.mark.parametrize("compress", [gzip.compress, bz2.compress, lzma.compress])
def test_compressed_text_is_unpacked(tmp_path: Path, compress: Callable[[bytes], bytes]) -> None:
    assert read_corpus(text(tmp_path, compress(b"one\ntwo\n"))).lines == ["one", "two"]


def test_lines_keep_their_numbers(tmp_path: Path) -> None:
    assert list(read_lines(text(tmp_path, "\na\r\n\nb"))) == [(2, "a"), (4, "b")]


def test_a_few_lines_in_another_script_are_left_out_and_counted(tmp_path: Path) -> None:
    corpus = read_corpus(text(tmp_path, "good morning\nおはようございます\ngood night\n"))
    assert (corpus.lines, corpus.unspeakable) == (["good morning", "good night"], 1)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "holds no words; give plain text"),
        ("\n \n--- ...\n", "holds no words; give plain text"),
        ("yes\n".encode("utf-16"), "line 1: UTF-16 text; convert it: iconv"),
        ("yes\n".encode("utf-16-le"), "line 1: byte 0x00 does not occur in text"),
        (b"fine\ncaf\xe9\n", "line 2: byte 0xe9 is not UTF-8; convert the file"),
        (b"fine\n\x89PNG\x00\n", "line 2: byte 0x00 does not occur in text"),
        (
            "hello\nおはようございます\nこんにちは\n",
            "line 2: 'おはようございます' holds no word of the letters a to",
        ),
        (gzip.compress(b"a long line of text\n" * 99)[:-9], "cannot be read"),
    ],
)
def test_what_cannot_be_used_is_refused_in_one_line(
    tmp_path: Path, content: str | bytes, reason: str
) -> None:
    path = text(tmp_path, content)
    with pytest.raises(LmError) as refused:
        read_corpus(path)
    message = str(refused.value)
    assert message.startswith(f"{path}: ")
    assert reason in message
    assert "\n" not in message


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LmError, match="No such file"):
        read_corpus(tmp_path / "nowhere")


def test_held_out_lines_are_not_trained_on() -> None:
    lines = [str(number) for number in range(1, 11)]
    kept, test = held_out(lines, 4)
    assert test == ["4", "8"]
    assert sorted(kept + test, key=int) == lines
