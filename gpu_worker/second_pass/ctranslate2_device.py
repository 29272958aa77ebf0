"""Which device a CTranslate2 model of the second pass runs on.

On a GPU CTranslate2 needs cuBLAS 12, which it loads by name with its first product of matrices.
PyTorch's wheels bring cuBLAS 13. The wheel of 12 (nvidia-cublas-cu12, of the extra ``gpu``) puts it
where the dynamic loader does not look: so it is loaded from there beforehand, and the loader,
asked for the name, finds it loaded.
"""

from __future__ import annotations

import ctypes
import importlib.util
import logging
from pathlib import Path
from typing import Final

import ctranslate2

from gpu_worker.second_pass import SecondPassError

CPU: Final = "cpu"
CUBLAS: Final = "libcublas.so.12"
MISSING: Final = (
    f"the second pass cannot use the GPU without cuBLAS 12 ({CUBLAS}): "
    "pip install nvidia-cublas-cu12"
)

log = logging.getLogger("realtime_engine.second_pass")


def choose_ctranslate2_device(name: str, index: int) -> str:
    """ "cpu" or "cuda:N" for second pass number ``index``; ``name`` as in `gpu_worker.device`.

    A worker with the same name has been refused already where there is no such device. Left to
    choose, a second pass runs on the CPU where cuBLAS is missing, and says so.

    Raises:
        SecondPassError: a GPU was asked for, and there is no cuBLAS for it.
    """
    if name == CPU or (name == "auto" and index >= ctranslate2.get_cuda_device_count()):
        return CPU
    if load_cublas():
        return name if name.startswith("cuda:") else f"cuda:{index}"
    if name == "auto":
        log.warning("%s; it runs on the CPU instead", MISSING)
        return CPU
    raise SecondPassError(MISSING)


def load_cublas() -> bool:
    """Loads cuBLAS 12, from where the loader looks or from its wheel; whether it is there."""
    for library in (CUBLAS, *map(str, _in_wheel())):
        try:
            ctypes.CDLL(library, ctypes.RTLD_GLOBAL)
        except OSError:
            continue
        return True
    return False


def _in_wheel() -> list[Path]:
    try:
        wheel = importlib.util.find_spec("nvidia.cublas")
    except ModuleNotFoundError:
        return []
    folders = wheel.submodule_search_locations if wheel is not None else None
    return [Path(folder, "lib", CUBLAS) for folder in folders or ()]
