"""What pyproject.toml cannot say: the compiled half of the beam search."""

from pathlib import Path

from pybind11.setup_helpers import Pybind11Extension
from setuptools import setup

NATIVE = Path("gpu_worker/decoding/native")

setup(
    ext_modules=[
        Pybind11Extension(
            "gpu_worker.decoding._native",
            [str(NATIVE / "module.cpp")],
            depends=sorted(map(str, NATIVE.glob("*.h"))),
            cxx_std=17,
            # Without contraction, so that scores are the same bits on every processor.
            extra_compile_args=["-O3", "-ffp-contract=off"],
        )
    ]
)
