from __future__ import annotations

import bz2
import gzip
import lzma
from collections.abc import Callable
from pathlib import Path

import pytest

from gpu_worker.decoding.unigrams import LanguageModelError, find_words, stored_words
from models import BUNDLED_MODEL

BINARY = BUNDLED_MODEL / "lm.bin"
WORDS = (BUNDLED_MODEL / "words.txt").read_text("utf-8").split()


def test_the_binary_s_own_words_are_the_word_list() -> None:
    stored = stored_words(BINARY)
    assert stored is not None
    assert sorted(stored) == sorted(WORDS)


def test_an_explicit_list_comes_first(arpa: Path, tmp_path: Path) -> None:
    (tmp_path / "words.txt").write_text("beside\n", "utf-8")
    explicit = tmp_path / "mine.txt"
    explicit.write_text("one\n\n  two \n<s>\n", "utf-8")
    assert find_words(arpa, explicit) == ["one", "two"]
    assert find_words(arpa, None) == ["beside"]


def test_the_words_of_an_arpa_file(arpa: Path) -> None:
    assert stored_words(arpa) is None
    assert find_words(arpa, None) == ["cat", "sat", "does"]


@pytest.mark.parametrize("compress", [gzip.compress, bz2.compress, lzma.compress])
def test_the_words_of_a_compressed_arpa_file(
    arpa: Path, compress: Callable[[bytes], bytes]
) -> None:
    packed = arpa.with_suffix(".packed")
    packed.write_bytes(compress(arpa.read_bytes()))
    assert find_words(packed, None) == ["cat", "sat", "does"]


def test_the_words_of_a_binary(tmp_path: Path) -> None:
    alone = tmp_path / "lm.bin"
    alone.symlink_to(BINARY)
    assert sorted(find_words(alone, None)) == sorted(WORDS)


def test_a_binary_without_words_has_none(tmp_path: Path) -> None:
    model = tmp_path / "lm.bin"
    data = bytearray(BINARY.read_bytes())
    data[100] = 0  # the header's has_vocabulary
    model.write_bytes(data[: data.rfind(b"<unk>\0")])
    assert find_words(model, None) == []


@pytest.mark.parametrize("size", [60, 200, 1_000_000, -1000, -1])
def test_a_truncated_binary_is_told(tmp_path: Path, size: int) -> None:
    model = tmp_path / "lm.bin"
    model.write_bytes(BINARY.read_bytes()[:size])
    with pytest.raises(LanguageModelError, match=r"ends too early; copy it again"):
        stored_words(model)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\n \n", "holds no words"),
        (b"word\tw o r d\n", "is not one word"),
        (b"caf\xe9\n", "not UTF-8"),
    ],
)
def test_a_useless_list_is_told(arpa: Path, tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "list"
    path.write_bytes(content)
    with pytest.raises(LanguageModelError, match=message) as error:
        find_words(arpa, path)
    assert "\n" not in str(error.value)


def test_a_missing_list_is_told(arpa: Path, tmp_path: Path) -> None:
    with pytest.raises(LanguageModelError, match="No such file"):
        find_words(arpa, tmp_path / "nowhere")


def test_an_arpa_file_in_another_encoding_is_told(arpa: Path) -> None:
    arpa.write_bytes(arpa.read_bytes().replace(b"cat", b"caf\xe9"))
    with pytest.raises(LanguageModelError, match="UTF-8"):
        find_words(arpa, None)
