from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from gpu_worker.acoustic.echo import Echo
from gpu_worker.acoustic.load import load_model
from gpu_worker.acoustic.moonshine_ctc import SHAPE, MoonshineCtc
from gpu_worker.acoustic.whisper_ctc import WhisperCtc
from models import BUNDLED_MODEL, ECHO_MODEL, WHISPER_CTC_MODEL
from models.spec import ModelSpec, ModelSpecError

CPU = torch.device("cpu")
ECHO = ModelSpec.load(ECHO_MODEL)
BUNDLED = ModelSpec.load(BUNDLED_MODEL)
WHISPER = ModelSpec.load(WHISPER_CTC_MODEL)


def message_of(spec: ModelSpec) -> str:
    with pytest.raises(ModelSpecError) as error:
        load_model(spec, CPU)
    message = str(error.value)
    assert "\n" not in message
    return message


def with_weights(folder: Path, weights: dict[str, torch.Tensor]) -> ModelSpec:
    save_file(weights, folder / "model.safetensors")
    return replace(BUNDLED, directory=folder)


def test_the_echo_model_needs_no_weights() -> None:
    assert isinstance(load_model(ECHO, CPU), Echo)


def test_the_bundled_model_is_loaded_for_evaluation_in_float32() -> None:
    model = load_model(BUNDLED, CPU)
    assert isinstance(model, MoonshineCtc)
    assert not model.training
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}
    stored = load_file(BUNDLED_MODEL / "model.safetensors")
    assert torch.equal(model.state_dict()["head.weight"], stored["head.weight"].float())


def test_a_taller_encoder_is_known_by_its_weights(tmp_path: Path) -> None:
    taller = MoonshineCtc(BUNDLED, replace(SHAPE, encoder_layers=7))
    save_file(taller.state_dict(), tmp_path / "model.safetensors")
    loaded = load_model(replace(BUNDLED, directory=tmp_path, weights="model.safetensors"), CPU)
    assert isinstance(loaded, MoonshineCtc)
    assert torch.equal(
        loaded.state_dict()["encoder.layers.6.mlp.fc1.weight"],
        taller.state_dict()["encoder.layers.6.mlp.fc1.weight"],
    )


def test_an_unknown_architecture_is_told_with_those_known() -> None:
    message = message_of(replace(ECHO, architecture="conformer"))
    assert message.endswith(
        "unknown architecture 'conformer' (known: echo, moonshine-ctc, whisper-ctc)"
    )


def test_weights_must_be_named() -> None:
    message = message_of(replace(BUNDLED, weights=None))
    assert message.endswith("architecture moonshine-ctc needs 'weights'")


@pytest.mark.parametrize("content", [b"", b"not weights", b"\xff" * 100])
def test_weights_that_are_none(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "model.safetensors").write_bytes(content)
    message = message_of(replace(BUNDLED, directory=tmp_path))
    assert message.startswith(f"{tmp_path}/model.safetensors is not a readable safetensors file: ")


def test_weights_cut_off(tmp_path: Path) -> None:
    whole = (BUNDLED_MODEL / "model.safetensors").read_bytes()
    (tmp_path / "model.safetensors").write_bytes(whole[: len(whole) // 2])
    assert "not a readable safetensors file" in message_of(replace(BUNDLED, directory=tmp_path))


def test_weights_that_are_not_there(tmp_path: Path) -> None:
    assert "not a readable safetensors file" in message_of(replace(BUNDLED, directory=tmp_path))


def test_weights_of_another_network(tmp_path: Path) -> None:
    spec = with_weights(tmp_path, {"other": torch.zeros(2)})
    message = message_of(spec)
    assert f"{tmp_path}/model.safetensors does not fit moonshine-ctc: " in message
    assert len(message) < 500


def test_weights_for_another_vocabulary(tmp_path: Path) -> None:
    weights = load_file(BUNDLED_MODEL / "model.safetensors")
    spec = with_weights(tmp_path, weights)
    message = message_of(replace(spec, vocabulary=(*spec.vocabulary, "ü")))
    assert "does not fit moonshine-ctc" in message
    assert "head." in message


def test_a_model_over_whispers_encoder_is_loaded_too() -> None:
    model = load_model(WHISPER, CPU)
    assert isinstance(model, WhisperCtc)
    stored = load_file(WHISPER_CTC_MODEL / "model.safetensors")
    assert torch.equal(model.state_dict()["head.out.weight"], stored["head.out.weight"].float())
