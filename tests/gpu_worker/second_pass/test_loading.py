from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from gpu_worker.second_pass import SecondPassError
from gpu_worker.second_pass.hearing import SAMPLE_RATE_HZ
from gpu_worker.second_pass.loading import kind_of, load_on_cpu
from gpu_worker.second_pass.moonshine import Moonshine
from gpu_worker.second_pass.whisper import Whisper
from models import BUNDLED_MODEL
from models.spec import ModelSpec

SECOND_PASSES = {"moonshine-tiny-en": Moonshine, "whisper-tiny-en": Whisper}


@pytest.mark.parametrize("name", SECOND_PASSES)
def test_a_directorys_model_is_known_by_its_files(name: str) -> None:
    model = load_on_cpu(BUNDLED_MODEL.parent / name)
    assert type(model) is SECOND_PASSES[name]
    assert model.hear([np.zeros(SAMPLE_RATE_HZ, np.int16)]) != []


@pytest.mark.parametrize("name", SECOND_PASSES)
def test_each_kind_runs_on_a_cpu_where_it_is_asked_to(name: str) -> None:
    assert kind_of(BUNDLED_MODEL.parent / name).device("cpu", 3) == "cpu"


def test_the_bundled_one_is_one_of_them() -> None:
    path = ModelSpec.load(BUNDLED_MODEL).second_pass_path
    assert path is not None
    assert path.resolve().name in SECOND_PASSES


def test_no_directory(tmp_path: Path) -> None:
    with pytest.raises(SecondPassError) as refused:
        kind_of(tmp_path / "gone")
    said = str(refused.value)
    assert said.startswith(f"{tmp_path / 'gone'}: no such directory; give a Moonshine model")
    assert said.endswith("or off")


def test_a_directory_without_a_model(tmp_path: Path) -> None:
    with pytest.raises(SecondPassError) as refused:
        kind_of(tmp_path)
    said = str(refused.value)
    assert said.startswith(f"{tmp_path} has no model.safetensors and no model.bin: give a ")
    assert said.endswith("or off")
