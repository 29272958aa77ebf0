"""Builds KenLM's `lmplz` and `build_binary` from the source archive that PyPI holds.

The `kenlm` wheel that the engine installs can only read language models. The programs that make
them are in its source archive, but want a compiler, CMake and Boost. Boost is linked statically:
what is installed runs on machines without it.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Final

from tools.lm.errors import LmError
from tools.lm.programs import PROGRAMS

SOURCE: Final = "kenlm==0.3.0"
NEEDED: Final = ("cmake", "make", "c++")
PACKAGES: Final = (
    "build-essential cmake libboost-program-options-dev libboost-system-dev libboost-thread-dev "
    "libboost-test-dev zlib1g-dev libbz2-dev liblzma-dev"
)


def install_kenlm(prefix: Path) -> list[Path]:
    """Builds the programs, puts them into ``prefix``/bin and returns their paths.

    Raises:
        LmError: what is missing, or the last line of what failed.
    """
    missing = [program for program in NEEDED if shutil.which(program) is None]
    if missing:
        raise LmError(f"building KenLM needs {', '.join(missing)}: apt-get install {PACKAGES}")
    with tempfile.TemporaryDirectory(prefix="kenlm-") as scratch:
        source = _download(Path(scratch))
        build = Path(scratch) / "build"
        configure = ["cmake", "-S", str(source), "-B", str(build), "-DCMAKE_BUILD_TYPE=Release"]
        _run([*configure, "-DBoost_USE_STATIC_LIBS=ON", "-DENABLE_INTERPOLATE=OFF"])
        _run(["cmake", "--build", str(build), "--target", *PROGRAMS])
        (prefix / "bin").mkdir(parents=True, exist_ok=True)
        return [
            Path(shutil.copy2(build / "bin" / program, prefix / "bin" / program))
            for program in PROGRAMS
        ]


def _download(directory: Path) -> Path:
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--dest", str(directory)]
    _run([*pip, "--no-deps", "--no-binary", "kenlm", SOURCE])
    archive = next(directory.glob("kenlm-*.tar.gz"))
    with tarfile.open(archive) as files:
        files.extractall(directory, filter="data")
    return next(path for path in directory.glob("kenlm-*") if path.is_dir())


def _run(command: list[str]) -> None:
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode == 0:
        return
    lines = [line.strip() for line in result.stderr.splitlines() if line.strip()]
    reason = next((line for line in lines if "rror" in line), lines[-1] if lines else "no message")
    raise LmError(
        f"building KenLM failed at {' '.join(command[:2])}: {reason[:200]} "
        f"(it needs: apt-get install {PACKAGES})"
    )
