"""Architectures of other packages are found, tried, and what is wrong with one is told."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from gpu_worker.acoustic.installed import installed_names
from gpu_worker.acoustic.load import load_model
from models.spec import ModelSpec, ModelSpecError
from tests.gpu_worker.acoustic.late_echo import (
    DELAY_FRAMES,
    NAME,
    LateEcho,
    install,
    model_directory,
)

CPU = torch.device("cpu")
HERE = __name__


class Misshapen(LateEcho):
    """Of too few frames."""

    def step(self, *inputs: torch.Tensor) -> torch.Tensor:  # type: ignore[override]
        return super().step(*inputs)[:, 1:]


class Unnormalised(LateEcho):
    """Of logits."""

    def step(self, *inputs: torch.Tensor) -> torch.Tensor:  # type: ignore[override]
        return super().step(*inputs) + 1


def misshapen(spec: ModelSpec, _: torch.device, slots: int) -> LateEcho:
    return Misshapen(spec, slots)


def unnormalised(spec: ModelSpec, _: torch.device, slots: int) -> LateEcho:
    return Unnormalised(spec, slots)


def failing(spec: ModelSpec, *_: object) -> LateEcho:
    raise FileNotFoundError(f"{spec.name}.bin\nis not there")


@pytest.fixture
def spec(tmp_path: Path) -> ModelSpec:
    return ModelSpec.load(model_directory(tmp_path / "model"))


def test_it_is_built_with_a_row_for_every_slot(
    spec: ModelSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path / "package")
    install(tmp_path / "package")
    assert installed_names() == [NAME]
    model = load_model(spec, CPU, slots=3)
    assert isinstance(model, LateEcho)
    pcm = torch.full((2, spec.window_samples), 3_000, dtype=torch.int16)
    span = torch.tensor([[0, spec.window_samples]] * 2)
    rows = torch.tensor([3, 1])
    for first, begun in ((True, spec.blank), (False, 3)):
        tokens = model.step(pcm, span, rows, torch.tensor([first, first])).argmax(-1)
        rest = spec.chunk_frames - DELAY_FRAMES
        assert tokens.tolist() == [[begun] * DELAY_FRAMES + [3] * rest] * 2


def test_one_that_is_not_installed_is_unknown(
    spec: ModelSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path / "package")
    install(tmp_path / "package", name="other")
    message = message_of(spec)
    assert message.endswith(
        "unknown architecture 'late-echo' (known: echo, moonshine-ctc, other, whisper-ctc)"
    )


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("no_such_module:build", "ModuleNotFoundError: No module named 'no_such_module'"),
        (f"{HERE}:failing", "FileNotFoundError: late-echo.bin is not there"),
        (
            f"{HERE}:misshapen",
            "ValueError: a step must give (1, 38, 29) torch.float32 (batch, chunk_frames, "
            "vocabulary), not (1, 37, 29) torch.float32",
        ),
        (
            f"{HERE}:unnormalised",
            "ValueError: a frame's log-probabilities must be natural logarithms of "
            "probabilities that add up to 1, not to 2.72",
        ),
    ],
    ids=["not importable", "failing", "misshapen", "not normalised"],
)
def test_what_is_wrong_with_one_is_told(
    spec: ModelSpec,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    target: str,
    reason: str,
) -> None:
    monkeypatch.syspath_prepend(tmp_path / "package")
    install(tmp_path / "package", target=target)
    assert message_of(spec) == (
        f"{spec.directory}: architecture 'late-echo' of package package cannot be used: {reason}"
    )


def test_two_packages_with_the_same_name_are_told(
    spec: ModelSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for package in ("one", "other"):
        monkeypatch.syspath_prepend(tmp_path / package)
        install(tmp_path / package)
    message = message_of(spec)
    assert message == "architecture 'late-echo' is brought by one and other: uninstall all but one"


def message_of(spec: ModelSpec) -> str:
    with pytest.raises(ModelSpecError) as error:
        load_model(spec, CPU)
    return str(error.value)
