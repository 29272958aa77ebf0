from __future__ import annotations

import random
import struct
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from gpu_worker.second_pass import SecondPassError
from gpu_worker.second_pass import whisper as whisper_module
from gpu_worker.second_pass.ctranslate2_device import CPU
from gpu_worker.second_pass.hearing import BEAM_SIZE, SAMPLE_RATE_HZ
from gpu_worker.second_pass.whisper import MODEL_FILES, Whisper
from models import BUNDLED_MODEL
from tests.conformance.speech import Clip, clips
from tools.loadtest.wer import count_word_errors

BUNDLED = BUNDLED_MODEL.parent / "whisper-tiny-en"


@pytest.fixture(scope="module")
def whisper() -> Whisper:
    return Whisper(BUNDLED, CPU)


def speech() -> tuple[Clip, Clip]:
    """Two clips of a few seconds."""
    chosen = clips(20)
    return chosen[0], chosen[17]


def tone(seconds: float) -> NDArray[np.int16]:
    """Something that Whisper has to make up a text for."""
    time_s = np.arange(round(seconds * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    hum = np.sin(2 * np.pi * 220 * time_s) * (1 + np.sin(2 * np.pi * 3 * time_s))
    loud: NDArray[np.int16] = (5000 * hum).astype(np.int16)
    return loud


# -- hearing


def test_a_quick_look_is_one_hypothesis_and_about_right(whisper: Whisper) -> None:
    spoken = speech()
    heard = whisper.hear([clip.audio for clip in spoken], thorough=False)
    for clip, found in zip(spoken, heard, strict=True):
        assert len(found) == 1
        errors = count_word_errors([(clip.text, found[0].text)])
        assert errors.errors <= 0.3 * errors.words, (clip.text, found[0].text)


def test_speech_is_heard_about_right(whisper: Whisper) -> None:
    spoken = speech()
    heard = whisper.hear([clip.audio for clip in spoken])
    for clip, found in zip(spoken, heard, strict=True):
        errors = count_word_errors([(clip.text, found[0].text)])
        assert errors.errors <= 0.25 * errors.words, (clip.text, found[0].text)


def test_hypotheses_come_best_first_and_each_once(whisper: Whisper) -> None:
    (heard,) = whisper.hear([speech()[0].audio])
    assert 1 < len(heard) <= BEAM_SIZE
    assert all(hypothesis.log_prob < 0 for hypothesis in heard)
    assert list(heard) == sorted(heard, key=lambda hypothesis: -hypothesis.log_prob)
    assert len({hypothesis.text for hypothesis in heard}) == len(heard)


def test_nothing_is_carried_over(whisper: Whisper) -> None:
    first, second = (clip.audio for clip in speech())
    before = whisper.hear([first])
    whisper.hear([second])
    assert whisper.hear([first]) == before


def test_company_changes_nothing(whisper: Whisper) -> None:
    """A batch gives what each utterance gives alone, in any order, whatever shares its shape."""
    first, second = (clip.audio for clip in speech())
    same_second = len(first) // SAMPLE_RATE_HZ * SAMPLE_RATE_HZ + 1
    utterances = [first, first[:same_second], second, np.zeros(0, np.int16), tone(5.1), tone(5.9)]
    alone = [whisper.hear([utterance])[0] for utterance in utterances]
    order = list(range(len(utterances)))
    random.Random(1).shuffle(order)
    for chosen in (list(range(len(utterances))), order):
        assert whisper.hear([utterances[i] for i in chosen]) == [alone[i] for i in chosen]


def test_company_does_not_make_a_text_longer(
    whisper: Whisper, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With so few tokens that the bound cuts every text off."""
    monkeypatch.setattr(whisper_module, "MIN_TOKENS", 0)
    monkeypatch.setattr(whisper_module, "TOKENS_PER_S", 2)
    audio = speech()[0].audio
    short = audio[: 3 * SAMPLE_RATE_HZ + 10]
    long = audio[: 4 * SAMPLE_RATE_HZ]
    assert whisper.hear([short, long]) == whisper.hear([short]) + whisper.hear([long])


def test_the_bound_on_tokens_is_what_it_says(
    whisper: Whisper, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half of it would cut off whoever speaks fast."""
    monkeypatch.setattr(whisper_module, "MIN_TOKENS", 3)
    monkeypatch.setattr(whisper_module, "TOKENS_PER_S", 2)
    audio = speech()[0].audio[: 5 * SAMPLE_RATE_HZ]
    (found,) = whisper._generate(whisper._log_mel(audio)[np.newaxis], True)
    assert {len(tokens) for tokens in found.result().sequences_ids} == {3 + 2 * 5}


def test_no_audio_is_no_hypothesis(whisper: Whisper) -> None:
    assert whisper.hear([]) == []
    assert whisper.hear([np.zeros(0, np.int16)]) == [()]


def test_who_hears_shows_signs_of_life(whisper: Whisper) -> None:
    """A long utterance takes longer than a process may be silent."""
    signs: list[None] = []
    heard = whisper.hear([speech()[0].audio], while_waiting=lambda: signs.append(None))
    assert signs
    assert heard == whisper.hear([speech()[0].audio])


def test_a_model_that_does_not_come_back_is_an_error(
    whisper: Whisper, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process ends by it, and is replaced."""
    monkeypatch.setattr(whisper_module, "HEARING_TIMEOUT_S", -1)
    with pytest.raises(TimeoutError, match="not heard"):
        whisper.hear([speech()[0].audio])


def test_a_single_sample_can_be_heard(whisper: Whisper) -> None:
    (heard,) = whisper.hear([np.ones(1, np.int16)])
    assert len(heard) <= BEAM_SIZE


def test_texts_are_words_in_spoken_form(whisper: Whisper) -> None:
    """No capitals, digits or marks, whatever it hears."""
    for heard in whisper.hear([*(clip.audio for clip in speech()), tone(3.0)]):
        for hypothesis in heard:
            assert hypothesis.text == " ".join(hypothesis.text.split())
            assert set(hypothesis.text) <= set("abcdefghijklmnopqrstuvwxyz' "), hypothesis.text


def test_no_token_with_a_digit_or_an_unspoken_sign_is_left(whisper: Whisper) -> None:
    """Also where one is several bytes, as of the euro sign, and no letter is lost for its bytes."""
    suppressed = set(whisper._suppressed)
    tokens = range(50_256)  # those before the special ones
    texts = whisper._tokenizer.decode_batch([[token] for token in tokens])
    left = [text for token, text in enumerate(texts) if token not in suppressed]
    assert not [text for text in left if set(text) & set("0123456789$£€%#@")]
    assert {" five", " cafe", "ã", "ð"} <= set(left)


def test_float32_hears_alike(whisper: Whisper) -> None:
    audio = speech()[0].audio
    exact, rounded = (
        one.hear([audio])[0][0] for one in (Whisper(BUNDLED, CPU, "float32"), whisper)
    )
    assert exact.text == rounded.text
    assert exact.log_prob != rounded.log_prob


# -- directories that cannot be used


def refusal(directory: Path, device: str = CPU) -> str:
    with pytest.raises(SecondPassError) as refused:
        Whisper(directory, device)
    message = str(refused.value)
    assert "\n" not in message
    return message


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The bundled model, by links."""
    folder = tmp_path / "whisper"
    folder.mkdir()
    for file in BUNDLED.iterdir():
        (folder / file.name).symlink_to(file)
    return folder


def replaced(folder: Path, name: str, content: bytes) -> None:
    (folder / name).unlink()
    (folder / name).write_bytes(content)


def test_a_copy_is_as_good(copy: Path) -> None:
    audio = speech()[1].audio
    assert Whisper(copy, CPU).hear([audio])[0]


@pytest.mark.parametrize("name", MODEL_FILES)
def test_a_file_that_is_missing(copy: Path, name: str) -> None:
    (copy / name).unlink()
    said = refusal(copy)
    assert said.startswith(f"{copy} has no {name}: ")
    assert all(needed in said for needed in MODEL_FILES)


def test_an_empty_directory(tmp_path: Path) -> None:
    assert "has no model.bin, config.json, tokenizer.json" in refusal(tmp_path)


def header(kind: str, revision: int) -> bytes:
    """The start of a model.bin in binary version 6, without variables or aliases."""
    name = kind.encode() + b"\0"
    return struct.pack(f"<IH{len(name)}sIII", 6, len(name), name, revision, 0, 0)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"not a model at all, but as long as some text is",
        bytes(1000),
        header("TransformerSpec", 7),
        header("Wav2Vec2Spec", 3),
        header("WhisperSpec", 3),
        header("NoSuchSpec", 1),
    ],
    ids=["empty", "text", "zeros", "translator", "wav2vec2", "no weights", "unknown"],
)
def test_a_model_of_another_kind_or_none(copy: Path, content: bytes) -> None:
    replaced(copy, "model.bin", content)
    said = refusal(copy)
    assert said.startswith(f"{copy}: ")
    assert "Whisper model in CTranslate2's format" in said


def test_a_model_that_is_cut_off(copy: Path) -> None:
    start_of_it = (copy / "model.bin").read_bytes()[:1_000_000]
    replaced(copy, "model.bin", start_of_it)
    assert "Whisper model in CTranslate2's format" in refusal(copy)


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"not json"])
def test_a_configuration_that_is_not_json(copy: Path, content: bytes) -> None:
    replaced(copy, "config.json", content)
    assert refusal(copy).startswith(f"{copy}/config.json cannot be read as JSON: ")


@pytest.mark.parametrize("content", [b"[]", b'{"suppress_ids": "all"}', b'{"suppress_ids": [[]]}'])
def test_a_configuration_of_something_else(copy: Path, content: bytes) -> None:
    """It may do, where nothing that is needed is wrong; nothing but the one error comes of it."""
    replaced(copy, "config.json", content)
    with suppress(SecondPassError):
        Whisper(copy, CPU)


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"{}", b'{"model": 3}'])
def test_a_broken_tokenizer(copy: Path, content: bytes) -> None:
    replaced(copy, "tokenizer.json", content)
    said = refusal(copy)
    assert said.startswith(f"{copy}/tokenizer.json cannot be read as a tokenizer (")
    assert "take the model's own" in said


def without_specials(folder: Path) -> None:
    text = (folder / "tokenizer.json").read_text()
    replaced(folder, "tokenizer.json", text.replace("<|startoftranscript|>", "<|start|>").encode())


def of_words(folder: Path) -> None:
    words = '{"model": {"type": "WordLevel", "vocab": {"a": 0}, "unk_token": "a"}}'
    replaced(folder, "tokenizer.json", words.encode())


@pytest.mark.parametrize("spoil", [without_specials, of_words])
def test_another_models_tokenizer(copy: Path, spoil: Callable[[Path], None]) -> None:
    spoil(copy)
    said = refusal(copy)
    assert said.startswith(f"{copy}/tokenizer.json has no token <|startoftranscript|>")


def test_a_device_that_is_not_there() -> None:
    assert "on cuda:99" in refusal(BUNDLED, "cuda:99")
