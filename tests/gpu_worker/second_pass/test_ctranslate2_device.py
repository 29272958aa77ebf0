"""Which device a second pass gets, and how it finds cuBLAS 12."""

from __future__ import annotations

import ctypes
import logging
import sys
from pathlib import Path

import ctranslate2
import pytest

from gpu_worker.second_pass import SecondPassError, ctranslate2_device
from gpu_worker.second_pass.ctranslate2_device import (
    CUBLAS,
    choose_ctranslate2_device,
    load_cublas,
)


@pytest.mark.parametrize(
    ("name", "index", "gpus", "device"),
    [
        ("auto", 0, 0, "cpu"),
        ("auto", 0, 2, "cuda:0"),
        ("auto", 1, 2, "cuda:1"),
        ("auto", 2, 2, "cpu"),
        ("cuda", 1, 2, "cuda:1"),
        ("cuda:3", 0, 4, "cuda:3"),
        ("cpu", 0, 4, "cpu"),
    ],
)
def test_beside_its_worker(
    monkeypatch: pytest.MonkeyPatch, name: str, index: int, gpus: int, device: str
) -> None:
    monkeypatch.setattr(ctranslate2, "get_cuda_device_count", lambda: gpus)
    monkeypatch.setattr(ctranslate2_device, "load_cublas", lambda: True)
    assert choose_ctranslate2_device(name, index) == device


class TestWithoutCublas:
    @pytest.fixture(autouse=True)
    def no_cublas(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(ctranslate2, "get_cuda_device_count", lambda: 1)
        monkeypatch.setattr(ctranslate2_device, "load_cublas", lambda: False)

    def test_left_to_choose_it_takes_the_cpu_and_says_so(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        with caplog.at_level(logging.WARNING):
            assert choose_ctranslate2_device("auto", 0) == "cpu"
        assert "pip install nvidia-cublas-cu12" in caplog.text

    @pytest.mark.parametrize("name", ["cuda", "cuda:0"])
    def test_a_gpu_that_was_asked_for_is_refused(self, name: str) -> None:
        with pytest.raises(SecondPassError, match="pip install nvidia-cublas-cu12"):
            choose_ctranslate2_device(name, 0)

    def test_a_cpu_needs_none(self, caplog: pytest.LogCaptureFixture) -> None:
        assert choose_ctranslate2_device("cpu", 0) == "cpu"
        assert not caplog.text


class TestWhereItIs:
    """Stands in for the loader: what it was asked for, and what it finds."""

    @pytest.fixture(autouse=True)
    def loader(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.asked: list[str] = []
        self.present: set[str] = set()

        def load(name: str, _mode: int) -> None:
            self.asked.append(name)
            if name not in self.present:
                raise OSError(f"{name}: cannot open shared object file")

        monkeypatch.setattr(ctypes, "CDLL", load)

    @pytest.fixture
    def wheel(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        """As pip unpacks nvidia-cublas-cu12."""
        folder = tmp_path / "nvidia" / "cublas"
        (folder / "lib").mkdir(parents=True)
        (folder / "__init__.py").touch()
        for name in [name for name in sys.modules if name.partition(".")[0] == "nvidia"]:
            monkeypatch.delitem(sys.modules, name)
        monkeypatch.setattr(sys, "path", [str(tmp_path)])
        return folder / "lib" / CUBLAS

    def test_the_system_s_own_comes_first(self, wheel: Path) -> None:
        self.present = {CUBLAS, str(wheel)}
        assert load_cublas()
        assert self.asked == [CUBLAS]

    def test_else_the_wheel_s(self, wheel: Path) -> None:
        self.present = {str(wheel)}
        assert load_cublas()
        assert self.asked == [CUBLAS, str(wheel)]

    @pytest.mark.usefixtures("wheel")
    def test_a_wheel_that_cannot_be_loaded_is_none(self) -> None:
        assert not load_cublas()

    def test_no_wheel(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sys, "path", [str(tmp_path)])
        assert not load_cublas()
