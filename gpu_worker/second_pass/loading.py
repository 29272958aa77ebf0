"""Which kind of attention model a directory holds, the device it runs on, and the model."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple

from gpu_worker.device import choose_device
from gpu_worker.second_pass import SecondPassError
from gpu_worker.second_pass.ctranslate2_device import choose_ctranslate2_device
from gpu_worker.second_pass.hearing import Hearing
from gpu_worker.second_pass.moonshine import Moonshine
from gpu_worker.second_pass.whisper import Whisper


class Kind(NamedTuple):
    """How models of one kind are brought up."""

    device: Callable[[str, int], str]
    """ "cpu" or "cuda:N", of a setting (auto, cpu, cuda, cuda:N) and a second pass's number."""
    load: Callable[[Path, str, str], Hearing]
    """A directory's model on a device, in a precision (auto, float32, int8)."""


def kind_of(directory: Path) -> Kind:
    """What to do with a directory.

    Raises:
        SecondPassError: it holds no model that the second pass can use.
    """
    if not directory.is_dir():
        raise SecondPassError(f"{directory}: no such directory; {_WOULD_DO}, or off")
    for name, kind in _BY_FILE.items():
        if (directory / name).is_file():
            return kind
    raise SecondPassError(f"{directory} has no {' and no '.join(_BY_FILE)}: {_WOULD_DO}, or off")


def load_on_cpu(directory: Path) -> Hearing:
    """The directory's model, for tools that need no server. Raises SecondPassError."""
    return kind_of(directory).load(directory, "cpu", "auto")


_BY_FILE: Final = {
    "model.safetensors": Kind(lambda name, index: str(choose_device(name, index)), Moonshine),
    "model.bin": Kind(choose_ctranslate2_device, Whisper),
}
_WOULD_DO: Final = (
    "give a Moonshine model as it is published, or a Whisper model in CTranslate2's format, as "
    "faster-whisper takes it"
)
