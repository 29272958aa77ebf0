from __future__ import annotations

import resource
import shutil
import socket
import sys
import time
from pathlib import Path

import pytest

from models import BUNDLED_MODEL
from models.spec import ModelSpec
from server import doctor
from server.config import ServeConfig
from server.doctor import Finding, examine
from shm.plane import Plane, PlaneError
from tests.conformance.server_process import ECHO, HOST, free_port
from tests.server.commands import Outcome, run
from tests.server.processes import ECHO_SPEC, echo_config

CHECKS = ["device", "acoustic model", "port", "shared memory", "open files", "clock"]


def examined(*flags: str, model: Path = ECHO, port: int | None = None) -> Outcome:
    port = port or free_port()
    return run(
        "doctor", "--host", HOST, "--port", str(port), "--model", str(model), "--slots", "2",
        "--device", "cpu", *flags,
    )  # fmt: skip


def findings_of(outcome: Outcome) -> dict[str, tuple[str, str]]:
    """By what was checked: ok or FAIL, and the detail."""
    found = {}
    for line in outcome.output:
        verdict, what, detail = line[:4].strip(), line[6:21].strip(), line[22:]
        found[what] = (verdict, detail)
    return found


def found_in_process(port: int = 0) -> dict[str, Finding]:
    """The checks of this side; those of the framework's side are left out."""
    serve = ServeConfig(HOST, port or free_port(), 1, "WARNING", None, None)
    return {finding.what: finding for finding in examine(serve, echo_config(), ECHO_SPEC)}


@pytest.fixture
def no_framework(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "_framework", lambda _: iter(()))


def test_a_finding_is_a_line() -> None:
    assert str(Finding(True, "port", "127.0.0.1:4444 is free")) == (
        "ok    port            127.0.0.1:4444 is free"
    )
    assert str(Finding(False, "shared memory", "none")).startswith("FAIL  shared memory")


@pytest.mark.server
def test_a_machine_in_order() -> None:
    """The clock's finding depends on what else runs here, so it decides nothing."""
    outcome = examined()
    findings = findings_of(outcome)
    assert outcome.errors == []
    assert list(findings) == CHECKS
    clock, _ = findings.pop("clock")
    assert {verdict for verdict, _ in findings.values()} == {"ok"}
    assert outcome.status == (0 if clock == "ok" else 1)
    assert "CPU" in findings["device"][1]
    assert findings["acoustic model"][1].startswith("echo: ")
    assert "2 slots" in findings["shared memory"][1]


@pytest.mark.server
def test_a_port_in_use_a_broken_model_and_a_wrong_language_model(tmp_path: Path) -> None:
    """Each is told, with what to do, and the other checks go on."""
    shutil.copy(ECHO / "model.json", tmp_path)
    path = tmp_path / "model.json"
    path.write_text(path.read_text().replace('"architecture": "echo"', '"architecture": "ohce"'))
    with socket.create_server((HOST, 0)) as taken:
        port = taken.getsockname()[1]
        outcome = examined("--lm", str(path), model=tmp_path, port=port)
    findings = findings_of(outcome)
    assert outcome.status == 1
    assert outcome.errors == []
    assert list(findings) == [*CHECKS[:2], "language model", *CHECKS[2:]]
    assert findings["device"][0] == "ok"
    assert findings["acoustic model"][0] == "FAIL"
    assert "unknown architecture 'ohce'" in findings["acoustic model"][1]
    assert findings["language model"][0] == "FAIL"
    assert "not a KenLM language model" in findings["language model"][1]
    assert findings["port"][0] == "FAIL"
    assert str(port) in findings["port"][1]
    assert "--port" in findings["port"][1]


@pytest.mark.server
def test_a_second_pass_that_is_in_order_and_one_that_is_not(tmp_path: Path) -> None:
    bundled = ModelSpec.load(BUNDLED_MODEL).second_pass_path
    outcome = examined("--second-pass", str(bundled))
    verdict, detail = findings_of(outcome)["second pass"]
    assert verdict == "ok"
    assert detail.startswith("moonshine-tiny-en on cpu: ")
    (tmp_path / "model.bin").write_bytes(b"no model")
    findings = findings_of(examined("--second-pass", str(tmp_path)))
    assert list(findings) == [*CHECKS[:2], "second pass", *CHECKS[2:]]
    verdict, detail = findings["second pass"]
    assert verdict == "FAIL"
    assert "a Whisper model in CTranslate2's format has" in detail


@pytest.mark.server
def test_a_device_that_is_not_there() -> None:
    outcome = examined("--device", "cuda:99")
    findings = findings_of(outcome)
    assert outcome.status == 1
    assert findings["device"][0] == "FAIL"
    assert "use auto or cpu" in findings["device"][1]


def test_settings_that_are_wrong_are_not_examined() -> None:
    outcome = examined("--beam-size", "0")
    assert (outcome.status, outcome.output) == (2, [])
    assert len(outcome.errors) == 1


def test_a_check_that_ends_early_is_a_finding(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    broken = tmp_path / "python"
    broken.write_text("#!/bin/sh\necho no framework here >&2\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(broken))
    framework = found_in_process()["framework"]
    assert not framework.ok
    assert framework.detail == "the check itself ended early: no framework here"


@pytest.mark.usefixtures("no_framework")
def test_the_port_is_judged_as_the_server_would() -> None:
    port = free_port()
    assert found_in_process(port)["port"] == Finding(True, "port", f"{HOST}:{port} is free")
    with socket.create_server((HOST, port)):
        found = found_in_process(port)["port"]
    assert not found.ok
    assert "Address already in use" in found.detail


@pytest.mark.usefixtures("no_framework")
def test_the_operators_port_is_judged_as_well() -> None:
    with socket.create_server((HOST, 0)) as taken:
        operators = (HOST, taken.getsockname()[1])
        serve = ServeConfig(HOST, free_port(), 1, "WARNING", None, None, operator_address=operators)
        found = {f.what: f for f in examine(serve, echo_config(), ECHO_SPEC)}["port"]
    assert not found.ok
    assert "--operator-address" in found.detail


@pytest.mark.usefixtures("no_framework")
def test_certificate_and_key(tls_pair: tuple[Path, Path]) -> None:
    def found(cert: Path, key: Path) -> Finding:
        serve = ServeConfig(HOST, free_port(), 1, "WARNING", cert, key)
        return {f.what: f for f in examine(serve, echo_config(), ECHO_SPEC)}["TLS"]

    cert, key = tls_pair
    assert found(cert, key).ok
    swapped = found(key, cert)
    assert not swapped.ok
    assert "must be PEM" in swapped.detail


def test_a_key_file_that_cannot_be_used_is_a_wrong_setting(tmp_path: Path) -> None:
    outcome = examined("--api-key-file", str(tmp_path / "none"))
    assert outcome.status == 2
    assert "none" in outcome.errors[0]


@pytest.mark.usefixtures("no_framework")
def test_too_little_shared_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: object) -> Plane:
        raise PlaneError("cannot map 9 MiB; use fewer slots")

    monkeypatch.setattr(Plane, "create", refuse)
    found = found_in_process()["shared memory"]
    assert (found.ok, found.detail) == (False, "cannot map 9 MiB; use fewer slots")


@pytest.mark.usefixtures("no_framework")
def test_too_few_descriptors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (64, 4096))
    found = found_in_process()["open files"]
    assert not found.ok
    assert found.detail == "limit is 64, 132 are needed: ulimit -n 132"


@pytest.mark.usefixtures("no_framework")
@pytest.mark.parametrize(("late_s", "ok"), [(0.0, True), (0.019, True), (0.021, False)])
def test_a_clock_that_is_late(monkeypatch: pytest.MonkeyPatch, late_s: float, ok: bool) -> None:
    """A machine whose sleeps end that late, by its own clock."""
    now_s = [0.0]

    def sleep(seconds: float) -> None:
        now_s[0] += seconds + late_s

    monkeypatch.setattr(time, "sleep", sleep)
    monkeypatch.setattr(time, "monotonic", lambda: now_s[0])
    found = found_in_process()["clock"]
    assert found.ok is ok
    assert ("overloaded" in found.detail) is not ok
