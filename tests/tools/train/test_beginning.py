from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch

from models import BUNDLED_MODEL
from tests.tools.train.conftest import SPEC
from tools.train.beginning import with_encoder_of
from tools.train.recipe import RecipeError

MOONSHINE = BUNDLED_MODEL.parent / "moonshine-tiny-en"


def test_new_layers_change_little_at_first() -> None:
    torch.manual_seed(1)
    own, taller = with_encoder_of(MOONSHINE, SPEC), with_encoder_of(MOONSHINE, SPEC, new_layers=2)
    assert (len(own.encoder.layers), len(taller.encoder.layers)) == (6, 8)
    samples = 0.1 * torch.randn(1, 16_000)
    with torch.no_grad():
        frames, heard = own.encoder.below(samples, torch.tensor([[0, 16_000]]), 6)
        same, _ = taller.encoder.below(samples, torch.tensor([[0, 16_000]]), 6)
        through, _ = taller.encoder.below(samples, torch.tensor([[0, 16_000]]), 8)
    assert bool(heard.all())
    assert torch.equal(frames, same)
    assert 0 < (through - frames).norm() < 0.2 * frames.norm()


def test_another_size_is_refused(tmp_path: Path) -> None:
    shutil.copytree(MOONSHINE, tmp_path / "model")
    config = json.loads((tmp_path / "model" / "config.json").read_text(encoding="utf-8"))
    config["encoder_num_hidden_layers"] = 5
    (tmp_path / "model" / "config.json").write_text(json.dumps(config), encoding="utf-8")
    with pytest.raises(RecipeError, match="whose encoder_layers is 6, not 5"):
        with_encoder_of(tmp_path / "model", SPEC)
