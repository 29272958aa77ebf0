"""The logic of the checks on a GPU, with the CPU in its place."""

from __future__ import annotations

import pytest
import torch

from bench import gpu
from bench.fastconformer import Shape, build, spec_of
from bench.gpu import Subject, checks, main, timings
from gpu_worker.acoustic.contract import AcousticModel
from gpu_worker.stepper import ThreadedStepper
from models.spec import ModelSpec

SMALL = Shape(layers=2, width=32, heads=4, channels=8, left_frames=14, vocabulary=9)
SUBJECT = Subject(spec_of(SMALL), lambda device, slots: build(device, slots, SMALL))
CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def cpu_for_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    def stepper(
        model: AcousticModel, spec: ModelSpec, batch: int, device: torch.device
    ) -> ThreadedStepper:
        return ThreadedStepper(model, spec, batch)

    monkeypatch.setattr(gpu, "GraphStepper", stepper)
    monkeypatch.setattr(gpu, "EagerStepper", stepper)
    monkeypatch.setattr(gpu, "CHECKED_ROWS", 3)
    monkeypatch.setattr(gpu, "floor_here", lambda found, rows, device: 0.5 if rows == 1 else None)


def test_every_check_is_made_and_holds() -> None:
    found = checks(SUBJECT, CPU)
    assert len(found) == 4
    assert all(found.values())


def test_a_result_that_differs_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu, "dependence", lambda stepper, spec: ["2 loud, at 0"])
    assert list(checks(SUBJECT, CPU).values()) == [False, False, True, True]


def test_steps_are_timed_by_rows(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(gpu, "ROWS", (1, 2))
    monkeypatch.setattr(gpu, "TIMED_RUNS", 3)
    timings(SUBJECT, CPU)
    head, *rows = capsys.readouterr().out.splitlines()
    assert head.split()[0] == "rows"
    assert [row.split()[0] for row in rows] == ["1", "2"]
    assert rows[0].split()[4] == "0.500"
    assert rows[1].split()[4] == "-"


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_it_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert main() == 2
    assert "no CUDA device" in capsys.readouterr().err
