"""What pyproject.toml cannot say: what is compiled."""

from pathlib import Path

from pybind11.setup_helpers import Pybind11Extension
from setuptools import setup


def compiled(package: str) -> Pybind11Extension:
    """The extension `_native` of a package, from the sources in its folder native/."""
    native = Path(*package.split(".")) / "native"
    return Pybind11Extension(
        f"{package}._native",
        [str(native / "module.cpp")],
        depends=sorted(map(str, Path("gpu_worker").glob("*/native/*.h"))),
        cxx_std=17,
        # Without contraction, so that results are the same bits on every processor.
        extra_compile_args=[
            "-O3",
            "-ffp-contract=off",
            "-Wno-maybe-uninitialized",
            "-Wno-uninitialized",
        ],
    )


PACKAGES = ("gpu_worker.acoustic", "gpu_worker.decoding", "gpu_worker.second_pass")
setup(ext_modules=[compiled(package) for package in PACKAGES])
