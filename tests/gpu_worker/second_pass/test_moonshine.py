from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file

from gpu_worker.acoustic import int8
from gpu_worker.second_pass import SecondPassError
from gpu_worker.second_pass.hearing import BEAM_SIZE, SAMPLE_RATE_HZ
from gpu_worker.second_pass.moonshine import MODEL_FILES, Moonshine, load_network, load_shape
from models import BUNDLED_MODEL
from tests.conformance.speech import Clip, clips
from tools.loadtest.wer import count_word_errors

BUNDLED = BUNDLED_MODEL.parent / "moonshine-tiny-en"
CPU = "cpu"


@pytest.fixture(scope="module")
def moonshine() -> Moonshine:
    return Moonshine(BUNDLED, CPU)


def speech() -> tuple[Clip, Clip]:
    """Two clips of a few seconds."""
    chosen = clips(20)
    return chosen[0], chosen[17]


def tone(seconds: float) -> NDArray[np.int16]:
    """Something that a model has to make up a text for."""
    time_s = np.arange(round(seconds * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    hum = np.sin(2 * np.pi * 220 * time_s) * (1 + np.sin(2 * np.pi * 3 * time_s))
    loud: NDArray[np.int16] = (5000 * hum).astype(np.int16)
    return loud


# -- hearing


@pytest.mark.parametrize("thorough", [True, False])
def test_speech_is_heard_about_right(moonshine: Moonshine, thorough: bool) -> None:
    spoken = speech()
    heard = moonshine.hear([clip.audio for clip in spoken], thorough=thorough)
    for clip, found in zip(spoken, heard, strict=True):
        errors = count_word_errors([(clip.text, found[0].text)])
        assert errors.errors <= 0.2 * errors.words, (clip.text, found[0].text)


def test_hypotheses_come_best_first_and_each_once(moonshine: Moonshine) -> None:
    (heard,) = moonshine.hear([speech()[0].audio])
    assert 1 <= len(heard) <= BEAM_SIZE
    assert all(hypothesis.log_prob < 0 for hypothesis in heard)
    assert list(heard) == sorted(heard, key=lambda hypothesis: -hypothesis.log_prob)
    assert len({hypothesis.text for hypothesis in heard}) == len(heard)
    assert len(moonshine.hear([speech()[0].audio], thorough=False)[0]) == 1


def test_company_changes_nothing(moonshine: Moonshine) -> None:
    """Bit for bit on a CPU, in any order, and nothing is carried over."""
    first, second = (clip.audio for clip in speech())
    utterances = [first, second, np.zeros(0, np.int16), tone(3.1), first[:30_000]]
    alone = [moonshine.hear([utterance])[0] for utterance in utterances]
    assert moonshine.hear(utterances) == alone
    assert moonshine.hear(utterances[::-1]) == alone[::-1]


def test_searched_together_they_are_heard_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a GPU: there the last digits may differ, the texts may not."""
    monkeypatch.setattr(int8, "is_supported", lambda: False)
    moonshine = Moonshine(BUNDLED, CPU)
    spoken = [clip.audio for clip in speech()]
    with torch.inference_mode():
        together = moonshine._search(spoken, True, lambda: None)
        alone = [moonshine._search([one], True, lambda: None)[0] for one in spoken]
    for one, other in zip(together, alone, strict=True):
        assert one[0][0] == other[0][0]
        assert one[0][1] == pytest.approx(other[0][1], abs=0.01)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_gpu_hears_what_a_cpu_hears(moonshine: Moonshine) -> None:
    spoken = [clip.audio for clip in clips(8)]
    on_gpu = Moonshine(BUNDLED, "cuda:0").hear(spoken)
    for ours, theirs in zip(moonshine.hear(spoken), on_gpu, strict=True):
        assert count_word_errors([(ours[0].text, theirs[0].text)]).errors <= 1


def test_no_audio_is_no_hypothesis(moonshine: Moonshine) -> None:
    assert moonshine.hear([]) == []
    assert moonshine.hear([np.zeros(0, np.int16)]) == [()]


@pytest.mark.parametrize("samples", [1, 100, 1000])
def test_less_than_a_frame_can_be_heard(moonshine: Moonshine, samples: int) -> None:
    (heard,) = moonshine.hear([np.ones(samples, np.int16)])
    assert len(heard) <= BEAM_SIZE


def test_who_hears_shows_signs_of_life(moonshine: Moonshine) -> None:
    signs: list[None] = []
    moonshine.hear([speech()[0].audio], while_waiting=lambda: signs.append(None))
    assert len(signs) > 10


def test_texts_are_words_in_spoken_form(moonshine: Moonshine) -> None:
    """No capitals, digits or marks, whatever it hears."""
    for heard in moonshine.hear([*(clip.audio for clip in speech()), tone(3.0)]):
        for hypothesis in heard:
            assert hypothesis.text == " ".join(hypothesis.text.split())
            assert set(hypothesis.text) <= set("abcdefghijklmnopqrstuvwxyz' "), hypothesis.text


def test_made_up_text_has_a_bound(moonshine: Moonshine) -> None:
    """A word is a token at least: no loop of words is longer than the tokens that there are."""
    (heard,) = moonshine.hear([tone(2.0)])
    assert all(len(hypothesis.text.split()) <= 16 + 8 * 2 for hypothesis in heard)


def test_a_cpu_without_the_instructions_hears_alike(
    moonshine: Moonshine, monkeypatch: pytest.MonkeyPatch
) -> None:
    audio = speech()[1].audio
    asked_for = Moonshine(BUNDLED, CPU, "float32").hear([audio])[0][0]
    monkeypatch.setattr(int8, "is_supported", lambda: False)
    in_floats = Moonshine(BUNDLED, CPU).hear([audio])[0][0]
    assert in_floats == asked_for
    rounded = moonshine.hear([audio])[0][0]
    assert in_floats.text == rounded.text
    assert in_floats.log_prob == pytest.approx(rounded.log_prob, abs=0.5)


# -- directories


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The bundled model, by links."""
    folder = tmp_path / "moonshine"
    folder.mkdir()
    for file in BUNDLED.iterdir():
        (folder / file.name).symlink_to(file)
    return folder


def refusal(directory: Path) -> str:
    with pytest.raises(SecondPassError) as refused:
        Moonshine(directory, CPU)
    message = str(refused.value)
    assert "\n" not in message
    return message


def replaced(folder: Path, name: str, content: bytes) -> None:
    (folder / name).unlink()
    (folder / name).write_bytes(content)


def reconfigured(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    config = json.loads((folder / "config.json").read_text())
    change(config)
    replaced(folder, "config.json", json.dumps(config).encode())


def test_weights_as_they_are_published(copy: Path, moonshine: Moonshine) -> None:
    """In float32, the output layer written out, rotation in a section of its own."""
    network = load_network(BUNDLED / "model.safetensors", load_shape(BUNDLED / "config.json"))
    named = {f"model.{name}": tensor for name, tensor in network.state_dict().items()}
    named["proj_out.weight"] = named.pop("model.decoder.output.weight").clone()
    (copy / "model.safetensors").unlink()
    save_file(named, copy / "model.safetensors")

    def newer(config: dict[str, Any]) -> None:
        names = ("partial_rotary_factor", "rope_theta")
        config["rope_parameters"] = {name: config.pop(name) for name in names}

    reconfigured(copy, newer)
    audio = speech()[1].audio
    assert Moonshine(copy, CPU).hear([audio]) == moonshine.hear([audio])


def test_a_rotation_of_half_a_pair(copy: Path) -> None:
    reconfigured(copy, lambda config: config.update(partial_rotary_factor=0.92))
    assert "turns 33 numbers of each head" in refusal(copy)


@pytest.mark.parametrize("name", MODEL_FILES)
def test_a_file_that_is_missing(copy: Path, name: str) -> None:
    (copy / name).unlink()
    said = refusal(copy)
    assert said.startswith(f"{copy} has no {name}: ")
    assert all(needed in said for needed in MODEL_FILES)


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"not json"])
def test_a_configuration_that_is_not_json(copy: Path, content: bytes) -> None:
    replaced(copy, "config.json", content)
    assert refusal(copy).startswith(f"{copy}/config.json cannot be read as JSON: ")


@pytest.mark.parametrize("content", [b"[]", b"{}", b'{"model_type": "wav2vec2"}'])
def test_a_model_of_another_type(copy: Path, content: bytes) -> None:
    replaced(copy, "config.json", content)
    said = refusal(copy)
    assert "the second pass takes 'moonshine', or a Whisper model in CTranslate2's format" in said


def test_a_configuration_without_a_size(copy: Path) -> None:
    reconfigured(copy, lambda config: config.pop("hidden_size"))
    assert refusal(copy) == f"{copy}/config.json has no 'hidden_size': take the model's own"


@pytest.mark.parametrize(
    ("name", "value"), [("hidden_size", 144), ("decoder_num_hidden_layers", 5)]
)
def test_a_configuration_of_another_size(copy: Path, name: str, value: int) -> None:
    reconfigured(copy, lambda config: config.update({name: value}))
    assert f"{copy}/model.safetensors does not fit its config.json: " in refusal(copy)


@pytest.mark.parametrize("content", [b"", b"no weights at all", bytes(100)])
def test_weights_that_cannot_be_read(copy: Path, content: bytes) -> None:
    replaced(copy, "model.safetensors", content)
    assert "is not a readable safetensors file" in refusal(copy)


def test_weights_that_are_cut_off(copy: Path) -> None:
    replaced(copy, "model.safetensors", (BUNDLED / "model.safetensors").read_bytes()[:1_000_000])
    assert "is not a readable safetensors file" in refusal(copy)


@pytest.mark.parametrize("lost", ["model.decoder.embed_tokens.weight", "model.encoder.conv2.bias"])
def test_weights_that_are_not_all_there(copy: Path, lost: str) -> None:
    weights = load_file(BUNDLED / "model.safetensors")
    del weights[lost]
    (copy / "model.safetensors").unlink()
    save_file(weights, copy / "model.safetensors")
    assert "does not fit its config.json" in refusal(copy)


def test_a_broken_tokenizer(copy: Path) -> None:
    replaced(copy, "tokenizer.json", b"{}")
    assert "cannot be read as a tokenizer" in refusal(copy)


def test_another_models_tokenizer(copy: Path) -> None:
    (copy / "tokenizer.json").unlink()
    shutil.copy(BUNDLED_MODEL.parent / "whisper-tiny-en" / "tokenizer.json", copy)
    said = refusal(copy)
    assert "tokenizer.json has 50363 tokens" in said
    assert "vocab_size is 32768" in said
