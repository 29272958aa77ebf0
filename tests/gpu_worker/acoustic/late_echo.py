"""An architecture as another package would bring it: it keeps state, and errs without it.

A frame emits what was said `DELAY_FRAMES` before it, across chunks too: the last ones of a chunk
are kept in the row of its slot. So in a pause it says at first that somebody speaks. Frames speak
as `gpu_worker.acoustic.echo` has it, but `LOUDNESS` times louder and with either sign, so that they
are sounds and a pause is heard as one.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

import torch

from gpu_worker.acoustic.echo import Echo
from gpu_worker.acoustic.installed import GROUP
from models import ECHO_MODEL
from models.spec import ModelSpec

NAME: Final = "late-echo"
DELAY_FRAMES: Final = 4
LOUDNESS: Final = 1000
CHUNK_FRAMES: Final = 38
"""Long enough for a word's end and the pause after it, and no multiple of a word's frames."""


class LateEcho:
    """See the module."""

    def __init__(self, spec: ModelSpec, slots: int) -> None:
        self._echo = Echo(spec)
        self._delay = DELAY_FRAMES * spec.frame_samples
        self._last = torch.zeros(1 + slots, self._delay, dtype=torch.int16)

    def step(
        self, pcm: torch.Tensor, span: torch.Tensor, rows: torch.Tensor, first: torch.Tensor
    ) -> torch.Tensor:
        """See `AcousticModel.step`."""
        said = torch.div(pcm.abs(), LOUDNESS, rounding_mode="floor")
        before = self._last[rows].masked_fill(first[:, None], 0)
        self._last[rows] = said[:, -self._delay :]
        late = torch.cat([before, said[:, : -self._delay]], 1)
        return self._echo.step(late, span, rows, first)


def build(spec: ModelSpec, device: torch.device, slots: int) -> LateEcho:
    """What the entry point names."""
    assert device.type == "cpu"
    return LateEcho(spec, slots)


def install(folder: Path, name: str = NAME, target: str = f"{__name__}:build") -> None:
    """Lays a package's metadata in ``folder``, which must be on the path of modules."""
    metadata = folder / f"{folder.name}-1.0.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text(f"Name: {folder.name}\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(f"[{GROUP}]\n{name} = {target}\n")


def model_directory(folder: Path) -> Path:
    """A model directory of this architecture, made in ``folder``."""
    fields = json.loads((ECHO_MODEL / "model.json").read_text())
    fields |= {"name": NAME, "architecture": NAME, "stateful": True}
    fields["chunk_frames"] = CHUNK_FRAMES
    folder.mkdir(parents=True)
    (folder / "model.json").write_text(json.dumps(fields))
    return folder
