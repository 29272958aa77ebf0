from __future__ import annotations

from pathlib import Path

import pytest
from pyctcdecode.language_model import LanguageModel as Theirs

from gpu_worker.decoding import LanguageModel, LanguageModelError
from gpu_worker.decoding.spelling_hash import spelling_hashes
from gpu_worker.decoding.word_scores import WordScores
from models import BUNDLED_MODEL

BINARY = BUNDLED_MODEL / "lm.bin"
SENTENCE = ("the", "quick", "zzqx", "jumped", "over", "mister", "quilter's", "supercalifrag")


@pytest.fixture(scope="module")
def model() -> LanguageModel:
    """A tenth of the words, so that pyctcdecode's tree of them is soon made."""
    whole = LanguageModel.load(BINARY, 0.7, 1.1)
    return LanguageModel(whole.kenlm_model, sorted(whole.words)[::10], 0.7, 1.1)


@pytest.fixture(scope="module", params=["words", "no words"])
def pair(request: pytest.FixtureRequest, model: LanguageModel) -> tuple[LanguageModel, Theirs]:
    words = sorted(model.words) if request.param == "words" else None
    theirs = Theirs(model.kenlm_model, words, alpha=0.7, beta=1.1)
    return LanguageModel(model.kenlm_model, words or (), 0.7, 1.1), theirs


def test_words_score_as_in_pyctcdecode(pair: tuple[LanguageModel, Theirs]) -> None:
    ours, theirs = pair
    state, their_state = ours.start(), theirs.get_start_state()
    for word in [*SENTENCE, ""]:
        log10, after = ours.word_log10(state, word)
        expected, their_after = theirs.score(their_state, word)
        ended, _ = theirs.score(their_state, word, is_last_word=True)
        assert ours.weighted(log10) == expected
        assert ours.weighted(log10 + ours.end_log10(after)) == ended
        state, their_state = after, their_after


def test_unfinished_words_score_as_in_pyctcdecode(pair: tuple[LanguageModel, Theirs]) -> None:
    ours, theirs = pair
    parts = [word[:end] for word in SENTENCE for end in range(1, len(word) + 1)]
    added = WordScores(ours).for_search()
    scores = [
        added.unfinished(int(spelling), len(part))
        for part, spelling in zip(parts, spelling_hashes(parts), strict=True)
    ]
    assert scores == [theirs.score_partial_token(part) for part in parts]
    assert any(scores)
    assert added.unfinished(0, 0) == 0.0


def test_words_that_the_model_does_not_know_are_dropped(arpa: Path, tmp_path: Path) -> None:
    listed = tmp_path / "list"
    listed.write_text("cat\nunicorn\n", "utf-8")
    assert LanguageModel.load(arpa, 0.5, 1.5, listed).words == {"cat"}


def test_an_arpa_file_loads_without_a_word(arpa: Path, capfd: pytest.CaptureFixture[str]) -> None:
    model = LanguageModel.load(arpa, 0.5, 1.5)
    assert (model.order, model.words) == (2, {"cat", "sat", "does"})
    assert capfd.readouterr() == ("", "")


def test_processes_share_a_binary_s_pages() -> None:
    model = LanguageModel.load(BINARY, 0.5, 1.5)
    assert model.order == 3
    mapped = [line.split() for line in Path("/proc/self/maps").read_text().splitlines()]
    assert any(line[-1].endswith("/lm.bin") and line[1] == "r--s" for line in mapped)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "no such file; give the path of a KenLM language model"),
        (b"", r"not a KenLM language model.*line 1: the header \\data\\ is missing"),
        (b"hello world\n", r"not a KenLM language model.*line 1: the header \\data\\ is missing"),
        (
            b"\\data\\\nngram 1=2\n\n\\1-grams:\n-1.0\t<unk>\n-1.0",
            "not a KenLM language model.*line 6: a logarithm, 1 word expected",
        ),
        (bytes(range(256)) * 20, "not a KenLM language model"),
        (BINARY.read_bytes()[:20_000_000], "ends too early"),
        (BINARY.read_bytes()[:49] + b"4" + BINARY.read_bytes()[50:], "expects version 5"),
    ],
)
def test_what_is_wrong_with_a_file_is_one_line(
    tmp_path: Path, content: bytes | None, message: str, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "lm.bin"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(LanguageModelError, match=message) as error:
        LanguageModel.load(path, 0.5, 1.5)
    assert str(error.value).isprintable()
    assert capfd.readouterr() == ("", "")


def test_a_broken_arpa_file_is_told_by_its_line(arpa: Path) -> None:
    arpa.write_text(arpa.read_text("utf-8").replace("ngram 2=", "ngram 2=1"), "utf-8")
    with pytest.raises(LanguageModelError, match=r"line \d+: the header promises 1\d 2-grams"):
        LanguageModel.load(arpa, 0.5, 1.5)


@pytest.mark.parametrize(
    ("words", "advice"),
    [(("кот", "сел", "да"), "in spoken form"), (("CAT", "SAT", "DOES"), "are in capitals")],
)
def test_words_that_nobody_could_hear_are_refused(
    arpa: Path, words: tuple[str, str, str], advice: str
) -> None:
    text = arpa.read_text("utf-8")
    for old, new in zip(("cat", "sat", "does"), words, strict=True):
        text = text.replace(old, new)
    arpa.write_text(text, "utf-8")
    with pytest.raises(LanguageModelError, match="none of its 3 words is spelled") as error:
        LanguageModel.load(arpa, 0.5, 1.5)
    assert advice in str(error.value)


def test_a_word_list_of_another_model_is_refused(arpa: Path) -> None:
    (arpa.parent / "words.txt").write_text("unicorn\n", "utf-8")
    with pytest.raises(LanguageModelError, match="give the word list that belongs to the model"):
        LanguageModel.load(arpa, 0.5, 1.5)


def test_a_directory_is_no_model(tmp_path: Path) -> None:
    with pytest.raises(LanguageModelError, match="no such file"):
        LanguageModel.load(tmp_path, 0.5, 1.5)


@pytest.mark.parametrize("weights", [(float("nan"), 1.5), (0.5, float("inf"))])
def test_weights_are_finite(arpa: Path, weights: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match="finite"):
        LanguageModel.load(arpa, *weights)
