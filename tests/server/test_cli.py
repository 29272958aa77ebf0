"""The command line: help, and every bad start-up, through the command itself.

A start-up that cannot succeed is one line on stderr that says what would be right, exit status 2,
and nothing left behind, whichever process found it out.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from models import BUNDLED_MODEL
from server import cli
from server.config import ENGINE_SETTINGS, SERVE_SETTINGS
from tests.conformance.server_process import ECHO, HOST, free_port, start
from tests.conformance.waiting import PATIENCE_S
from tests.server.certificates import encrypted
from tests.server.commands import run

ALL_SETTINGS = (*SERVE_SETTINGS, *ENGINE_SETTINGS)


# -- help


@pytest.mark.parametrize(
    ("command", "settings"),
    [("serve", ALL_SETTINGS), ("doctor", ALL_SETTINGS), ("transcribe", ENGINE_SETTINGS)],
)
def test_help_shows_every_setting_with_its_variable(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    command: str,
    settings: tuple[object, ...],
) -> None:
    monkeypatch.setenv("COLUMNS", "1000")
    monkeypatch.setattr("sys.argv", ["realtime-engine", command, "--help"])
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert end.value.code == 0
    text = " ".join(capsys.readouterr().out.split())
    for setting in ALL_SETTINGS:
        default = f"default: {setting.default or 'none'}"
        described = f"{setting.help} ({default}, environment: {setting.variable})"
        assert (described in text) == (setting in settings)
        assert (f" {setting.flag} " in text) == (setting in settings)


def test_lm_is_the_tools_command_line_whole(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["realtime-engine", "lm", "build", "--help"])
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert end.value.code == 0
    shown = capfd.readouterr().out
    assert shown.startswith("usage: realtime-engine lm build")
    assert "--phrases FILE" in shown


def test_lm_passes_on_the_tools_exit_status(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["realtime-engine", "lm", "build", "--order", "99"])
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert end.value.code == 2
    assert "must be from 2 to 6, not '99'" in capfd.readouterr().err


def test_without_a_command_help_is_near(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["realtime-engine"])
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert end.value.code == 2
    assert "COMMAND" in capsys.readouterr().err


def test_an_interrupt_is_no_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "serve", interrupted)
    monkeypatch.setattr("sys.argv", ["realtime-engine", "serve", "--model", str(ECHO)])
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert end.value.code == 130


# -- bad start-ups


@dataclass(frozen=True, slots=True)
class Attempt:
    """A start that cannot succeed: flags and environment, and what its one line must hold."""

    said: tuple[str, ...]
    flags: tuple[str, ...] = ()
    environment: dict[str, str] = field(default_factory=dict)


Prepare = Callable[[Path], Attempt]


def model_dir(folder: Path, **changes: object) -> Path:
    """The bundled model by links, with another model.json."""
    folder.mkdir()
    for file in BUNDLED_MODEL.iterdir():
        if file.name != "model.json":
            (folder / file.name).symlink_to(file)
    fields = json.loads((BUNDLED_MODEL / "model.json").read_text()) | {"second_pass": None}
    (folder / "model.json").write_text(json.dumps(fields | changes))
    return folder


def missing_model(tmp: Path) -> Attempt:
    return Attempt((f"no model in {tmp / 'gone'}",), ("--model", str(tmp / "gone")))


def broken_spec(tmp: Path) -> Attempt:
    folder = model_dir(tmp / "model")
    (folder / "model.json").write_text('{"name": ')
    return Attempt((str(folder / "model.json"), "JSON"), ("--model", str(folder)))


def missing_weights(tmp: Path) -> Attempt:
    folder = model_dir(tmp / "model", weights="gone.safetensors")
    return Attempt(("gone.safetensors", "does not exist"), ("--model", str(folder)))


def truncated_weights(tmp: Path) -> Attempt:
    folder = model_dir(tmp / "model")
    weights = folder / "model.safetensors"
    start_of_it = weights.read_bytes()[:1_000_000]
    weights.unlink()
    weights.write_bytes(start_of_it)
    return Attempt((str(weights), "not a readable safetensors file"), ("--model", str(folder)))


def unknown_architecture(tmp: Path) -> Attempt:
    folder = model_dir(tmp / "model", architecture="oracle", language_model=None)
    return Attempt(
        ("'oracle'", "known: echo, moonshine-ctc, whisper-ctc"), ("--model", str(folder))
    )


def missing_language_model(tmp: Path) -> Attempt:
    path = str(tmp / "gone.arpa")
    return Attempt((path, "no such file", "ARPA or binary"), environment={
        "CUSTOM_LANG_MODEL_PATH": path
    })  # fmt: skip


def wrong_language_model(tmp: Path) -> Attempt:
    path = tmp / "notes.arpa"
    path.write_text("dear diary,\ntoday there were no n-grams\n")
    flags = ("--model", str(ECHO), "--lm", str(path), "--slots", "4", "--decoders", "4")
    return Attempt((str(path), "not a KenLM language model"), flags)


def truncated_language_model(tmp: Path) -> Attempt:
    path = tmp / "lm.bin"
    path.write_bytes((BUNDLED_MODEL / "lm.bin").read_bytes()[:2_000_000])
    flags = ("--model", str(ECHO), "--lm", str(path), "--slots", "4", "--decoders", "2")
    return Attempt((str(path), "ends too early"), flags)


def half_of_tls(tmp: Path) -> Attempt:
    return Attempt(("--ssl-cert is set without --ssl-key",), environment={"SSL_CERT_PATH": "a.pem"})


def other_half_of_tls(tmp: Path) -> Attempt:
    return Attempt(("--ssl-key is set without --ssl-cert",), ("--ssl-key", "a.pem"))


def one_of(flag: str, value: str, *said: str) -> Prepare:
    return lambda _: Attempt((flag, f"'{value}'", *said), (flag, value))


def by_variable(variable: str, value: str, *said: str) -> Prepare:
    return lambda _: Attempt((variable, *said), environment={variable: value})


def device(name: str, *said: str) -> Prepare:
    flags = ("--model", str(ECHO), "--device", name, "--slots", "2")
    return lambda _: Attempt((f"'{name}'", *said), flags, {"CUDA_VISIBLE_DEVICES": ""})


BAD_STARTS: dict[str, Prepare] = {
    "no model": missing_model,
    "model.json is no JSON": broken_spec,
    "no weights": missing_weights,
    "weights cut short": truncated_weights,
    "unknown architecture": unknown_architecture,
    "no language model": missing_language_model,
    "a language model of another kind": wrong_language_model,
    "a language model cut short": truncated_language_model,
    "a certificate alone": half_of_tls,
    "a key alone": other_half_of_tls,
    "beam 0": one_of("--beam-size", "0", "from 1 to 2000"),
    "beam 2001": one_of("--beam-size", "2001", "from 1 to 2000"),
    "beam abc": one_of("--beam-size", "abc", "from 1 to 2000"),
    "no slots": one_of("--slots", "0", "from 1 to "),
    "a port out of range": one_of("--port", "70000", "from 1 to 65535"),
    "an unknown device": device("quantum", "use auto, cpu, cuda or cuda:N"),
    "a GPU that is not there": device("cuda", "no CUDA device", "use auto or cpu"),
    "a numbered GPU that is not there": device("cuda:7", "use auto or cpu"),
    "a bad variable": by_variable("INTERMED_PARTIALS", "maybe", "True or False", "'maybe'"),
    "a bad variable of our own": by_variable("REALTIME_ENGINE_SLOTS", "-1", "from 1 to "),
    "a model server elsewhere": by_variable(
        "MODELSERVER_HOSTNAME", "http://gpu-1:9123", "without a scheme"
    ),
}


@pytest.mark.server
@pytest.mark.parametrize("prepare", BAD_STARTS.values(), ids=BAD_STARTS)
def test_a_bad_start_is_one_line_that_says_what_would_be_right(
    prepare: Prepare, tmp_path: Path
) -> None:
    check(prepare(tmp_path))


@pytest.mark.server
def test_a_port_in_use_is_told_before_anything_is_loaded() -> None:
    with socket.create_server((HOST, 0)) as taken:
        port = str(taken.getsockname()[1])
        check(Attempt((f"port {port}", "Address already in use", "--port"), ("--port", port)))


@pytest.mark.server
def test_a_key_that_does_not_fit(
    tls_pair: tuple[Path, Path], other_tls_pair: tuple[Path, Path]
) -> None:
    cert, key = str(tls_pair[0]), str(other_tls_pair[1])
    said = (cert, key, "belong together")
    check(Attempt(said, environment={"SSL_CERT_PATH": cert, "SSL_CERT_KEY": key}))


@pytest.mark.server
def test_a_key_with_a_password(tls_pair: tuple[Path, Path]) -> None:
    cert, key = tls_pair
    flags = ("--ssl-cert", str(cert), "--ssl-key", str(encrypted(key)))
    check(Attempt(("without a password",), flags))


@pytest.mark.server
def test_transcribe_refuses_like_serve(tmp_path: Path) -> None:
    attempt = wrong_language_model(tmp_path)
    outcome = run("transcribe", *attempt.flags, str(tmp_path / "any.wav"))
    assert (outcome.status, outcome.output) == (2, [])
    (line,) = outcome.errors
    assert all(part in line for part in attempt.said)


def check(attempt: Attempt) -> None:
    """Starts the server; fails unless it refuses as it should and leaves nothing behind."""
    read_end, write_end = os.pipe()
    try:
        process = start(
            "serve", "--host", HOST, "--port", str(free_port()), *attempt.flags,
            environment=attempt.environment, stderr=write_end,
        )  # fmt: skip
        os.close(write_end)
        try:
            status = process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            process.terminate()
            process.wait()
            raise
        with os.fdopen(os.dup(read_end), "rb") as errors:
            said = errors.read().decode()  # its end: nobody who could write is left
    finally:
        os.close(read_end)
    assert status == 2, said
    (line,) = said.splitlines()
    assert line.startswith("realtime-engine: ")
    for part in attempt.said:
        assert part in line
