from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
from typing import Any

import pytest

from models import BUNDLED_MODEL
from models.spec import ModelSpec
from server import config
from server.config import (
    ENGINE_SETTINGS,
    SERVE_SETTINGS,
    ConfigError,
    EngineConfig,
    ServeConfig,
    add_arguments,
    engine_config,
    serve_config,
)
from shm.layout import MAX_SLOTS
from tests.conformance.server_process import ECHO

SETTINGS = {setting.flag: setting for setting in (*ENGINE_SETTINGS, *SERVE_SETTINGS)}
THIS_FILE = Path(__file__)
SECOND_PASS = ModelSpec.load(BUNDLED_MODEL).second_pass_path

VALUES: list[tuple[str, str, str, Any]] = [
    ("--device", "cuda:3", "device", "cuda:3"),
    ("--precision", "int8", "precision", "int8"),
    ("--gpus", "3", "workers", 3),
    ("--slots", "12", "slots", 12),
    ("--slots", str(MAX_SLOTS), "slots", MAX_SLOTS),
    ("--decoders", "5", "decoders", 5),
    ("--beam-size", "1", "beam_size", 1),
    ("--beam-size", "2000", "beam_size", 2000),
    ("--lm", str(THIS_FILE), "language_model", THIS_FILE),
    ("--lm", "off", "language_model", None),
    ("--decoder", "PyCTCdecode", "search", "pyctcdecode"),
    ("--second-pass", str(SECOND_PASS), "second_pass", SECOND_PASS),
    ("--second-pass", "off", "second_pass", None),
    ("--trailing-silence-ms", "200", "trailing_silence_ms", 200),
    ("--trailing-silence-ms", "5000", "trailing_silence_ms", 5000),
    ("--nothing-spoken-ms", "1000", "nothing_spoken_ms", 1000),
    ("--nothing-spoken-ms", "20000", "nothing_spoken_ms", 20_000),
    ("--model", str(ECHO), "model", ECHO),
    ("--intermed-partials", "True", "intermed_partials", True),
    ("--intermed-partials", "tRUE", "intermed_partials", True),
    ("--intermed-partials", "1", "intermed_partials", True),
    ("--intermed-partials", "0", "intermed_partials", False),
    ("--standby", "True", "standby", True),
    ("--host", "127.0.0.1", "host", "127.0.0.1"),
    ("--port", "65535", "port", 65_535),
    ("--frontends", "2", "frontends", 2),
    ("--log-level", "debug", "log_level", "DEBUG"),
    ("--takeover", "1", "takeover", True),
    ("--log-format", "JSON", "log_format", "json"),
    ("--operator-address", "127.0.0.1:9100", "operator_address", ("127.0.0.1", 9100)),
    ("--operator-address", ":65535", "operator_address", ("0.0.0.0", 65_535)),
    ("--operator-address", "[::1]:1", "operator_address", ("::1", 1)),
    ("--operator-address", "localhost:80", "operator_address", ("localhost", 80)),
]
"""Flag, text, attribute of the configuration, value."""

BAD_VALUES = [
    (
        "--operator-address",
        "9100",
        "must be HOST:PORT, such as 127.0.0.1:9100, or :9100 for every address, not '9100'",
    ),
    (
        "--operator-address",
        ":0",
        "must be HOST:PORT, such as 127.0.0.1:9100, or :9100 for every address, not ':0'",
    ),
    (
        "--operator-address",
        "a:99999",
        "must be HOST:PORT, such as 127.0.0.1:9100, or :9100 for every address, not 'a:99999'",
    ),
    (
        "--operator-address",
        "::1:9100",
        "must have an IPv6 address in brackets, such as [::1]:9100, not '::1:9100'",
    ),
    ("--gpus", "0", "must be a whole number from 1 to 64, not '0'"),
    ("--gpus", "all", "must be a whole number from 1 to 64, not 'all'"),
    ("--slots", "0", f"must be a whole number from 1 to {MAX_SLOTS}, or auto, not '0'"),
    ("--slots", "many", f"must be a whole number from 1 to {MAX_SLOTS}, or auto, not 'many'"),
    ("--decoders", "65", "must be a whole number from 1 to 64, or auto, not '65'"),
    ("--beam-size", "0", "must be a whole number from 1 to 2000, not '0'"),
    ("--beam-size", "2001", "must be a whole number from 1 to 2000, not '2001'"),
    ("--beam-size", "abc", "must be a whole number from 1 to 2000, not 'abc'"),
    ("--beam-size", "-5", "must be a whole number from 1 to 2000, not '-5'"),
    ("--beam-size", "6e2", "must be a whole number from 1 to 2000, not '6e2'"),
    ("--beam-size", " 600", "must be a whole number from 1 to 2000, not ' 600'"),
    ("--beam-size", "٦٠٠", "must be a whole number from 1 to 2000, not '٦٠٠'"),
    ("--beam-size", "6\n00", r"must be a whole number from 1 to 2000, not '6\n00'"),
    ("--precision", "fp16", "must be one of auto, float32, int8, not 'fp16'"),
    ("--decoder", "greedy", "must be one of incremental, pyctcdecode, not 'greedy'"),
    ("--trailing-silence-ms", "199", "must be a whole number from 200 to 5000, not '199'"),
    ("--nothing-spoken-ms", "20001", "must be a whole number from 1000 to 20000, not '20001'"),
    ("--intermed-partials", "yes", "must be True or False, not 'yes'"),
    ("--port", "0", "must be a whole number from 1 to 65535, not '0'"),
    ("--port", "65536", "must be a whole number from 1 to 65535, not '65536'"),
    ("--frontends", "0", "must be a whole number from 1 to 64, not '0'"),
    (
        "--log-level",
        "LOUD",
        "must be one of DEBUG, INFO, WARNING, ERROR, CRITICAL, not 'LOUD'",
    ),
]


def made(
    flags: dict[str, str], environment: dict[str, str] | None = None
) -> tuple[EngineConfig, ServeConfig]:
    """Both configurations, from flags as the command line gives them and an environment."""
    parser = argparse.ArgumentParser(allow_abbrev=False)
    add_arguments(parser, [*ENGINE_SETTINGS, *SERVE_SETTINGS])
    arguments = vars(parser.parse_args([word for pair in flags.items() for word in pair]))
    environment = environment or {}
    return engine_config(arguments, environment)[0], serve_config(arguments, environment)


def attribute(configs: tuple[EngineConfig, ServeConfig], name: str) -> Any:
    (value,) = [getattr(part, name) for part in configs if hasattr(part, name)]
    return value


def refusal(flags: dict[str, str], environment: dict[str, str] | None = None) -> str:
    with pytest.raises(ConfigError) as refused:
        made(flags, environment)
    message = str(refused.value)
    assert "\n" not in message
    return message


# What some values need besides themselves.
COMPANY = {"--gpus": {"--slots": "8"}, "--decoders": {"--slots": "8"}}


@pytest.mark.parametrize(("flag", "text", "name", "value"), VALUES)
def test_a_setting_by_its_flag(flag: str, text: str, name: str, value: Any) -> None:
    assert attribute(made({**COMPANY.get(flag, {}), flag: text}), name) == value


@pytest.mark.parametrize(("flag", "text", "name", "value"), VALUES)
def test_a_setting_by_its_variable(flag: str, text: str, name: str, value: Any) -> None:
    variable = SETTINGS[flag].variable
    assert variable is not None
    assert attribute(made(COMPANY.get(flag, {}), {variable: text}), name) == value


def test_every_setting_is_tried_above_but_the_tls_files() -> None:
    assert set(SETTINGS) - {flag for flag, *_ in VALUES} == {"--ssl-cert", "--ssl-key"}


@pytest.mark.parametrize(("flag", "text", "right"), BAD_VALUES)
def test_a_bad_value_is_told_with_where_it_came_from(flag: str, text: str, right: str) -> None:
    variable = SETTINGS[flag].variable
    assert variable is not None
    assert refusal({flag: text}) == f"{flag} {right}"
    assert refusal({}, {variable: text}) == f"{variable} {right}"


def test_the_flag_wins_over_the_variable_even_over_a_bad_one() -> None:
    engine, _ = made({"--beam-size": "9"}, {"DECODER_BEAM_SIZE": "8"})
    assert engine.beam_size == 9
    engine, _ = made({"--beam-size": "9"}, {"DECODER_BEAM_SIZE": "wide"})
    assert engine.beam_size == 9


def test_an_empty_variable_is_not_set() -> None:
    engine, serve = made({}, {"DECODER_BEAM_SIZE": "", "SSL_CERT_PATH": "", "SSL_CERT_KEY": ""})
    assert engine.beam_size == 600
    assert serve.ssl_cert is None


def test_defaults_are_those_of_the_protocol(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config, "has_nvidia_device", lambda: False)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)))
    engine, serve = made({})
    assert engine == EngineConfig(
        model=BUNDLED_MODEL,
        device="auto",
        precision="auto",
        workers=1,
        slots=128,
        decoders=7,
        beam_size=600,
        language_model=BUNDLED_MODEL / "lm.bin",
        search="incremental",
        intermed_partials=False,
        second_pass=SECOND_PASS,
        second_passes=4,
        trailing_silence_ms=600,
        nothing_spoken_ms=5000,
        standby=False,
    )
    assert serve == ServeConfig("0.0.0.0", 4444, 1, "WARNING", None, None)


@pytest.mark.parametrize(
    ("flags", "gpu", "cores", "second_passes"),
    [
        ({}, False, 1, 1),
        ({}, False, 2, 2),
        ({}, False, 16, 4),
        ({"--slots": "1"}, False, 16, 1),
        ({}, True, 16, 1),
        ({"--gpus": "2"}, True, 64, 2),
        ({"--device": "cpu"}, True, 16, 4),
        ({"--second-pass": "off"}, False, 16, 0),
    ],
)
def test_second_passes_by_what_the_machine_has(
    monkeypatch: pytest.MonkeyPatch,
    flags: dict[str, str],
    gpu: bool,
    cores: int,
    second_passes: int,
) -> None:
    monkeypatch.setattr(config, "has_nvidia_device", lambda: gpu)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(cores)))
    assert made(flags)[0].second_passes == second_passes


@pytest.mark.parametrize(
    ("flags", "gpu", "cores", "slots", "decoders"),
    [
        ({}, False, 1, 16, 1),
        ({}, False, 2, 32, 1),
        ({}, True, 16, 64, 11),
        ({"--gpus": "2"}, True, 64, 128, 22),
        ({"--device": "cpu"}, True, 16, 256, 15),
        ({"--device": "cuda"}, False, 4, 64, 3),
        ({"--slots": "auto", "--decoders": "auto"}, False, 4, 64, 3),
        ({"--slots": "3", "--decoders": "8"}, False, 16, 3, 3),
    ],
)
def test_what_auto_comes_to(
    monkeypatch: pytest.MonkeyPatch,
    flags: dict[str, str],
    gpu: bool,
    cores: int,
    slots: int,
    decoders: int,
) -> None:
    monkeypatch.setattr(config, "has_nvidia_device", lambda: gpu)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(cores)))
    engine, _ = made(flags)
    assert (engine.slots, engine.decoders) == (slots, decoders)


def test_a_switch_needs_no_value() -> None:
    parser = argparse.ArgumentParser()
    add_arguments(parser, ENGINE_SETTINGS)
    engine, _ = engine_config(vars(parser.parse_args(["--intermed-partials"])), {})
    assert engine.intermed_partials


def test_more_gpus_than_slots() -> None:
    said = refusal({"--gpus": "4", "--slots": "2"})
    assert said == "--gpus 4 needs at least as many --slots, not 2"


def test_a_language_model_that_is_not_there() -> None:
    said = refusal({"--lm": "/nowhere/big.arpa"})
    assert "--lm names /nowhere/big.arpa" in said
    assert "ARPA or binary" in said
    assert "off" in said


def test_a_model_without_a_language_model_decodes_without() -> None:
    engine, _ = made({"--model": str(ECHO)})
    assert engine.language_model is None


@pytest.mark.parametrize("by_variable", [False, True])
def test_a_second_pass_that_is_not_there(tmp_path: Path, by_variable: bool) -> None:
    """No directory, one without a model, and a file: each is told before anything is started."""
    for path in (Path("/nowhere"), tmp_path, THIS_FILE):
        environment = {"REALTIME_ENGINE_SECOND_PASS": str(path)}
        said = refusal({}, environment) if by_variable else refusal({"--second-pass": str(path)})
        assert said == (
            f"--second-pass names {path}, but there is no model.safetensors or model.bin in it: "
            "give a directory with a Moonshine model, or with a Whisper model in CTranslate2's "
            "format, nothing for the bundled one, or off"
        )


def test_a_second_pass_of_the_models_own_is_checked_alike(tmp_path: Path) -> None:
    folder = model_dir(tmp_path / "model", second_pass="whisper")
    assert "whisper does not exist" in refusal({"--model": str(folder)})
    (folder / "whisper").mkdir()
    said = refusal({"--model": str(folder)})
    assert f"{folder / 'whisper'}, but there is no model.safetensors or model.bin in it" in said
    for file in ("model.bin", "model.safetensors"):
        (folder / "whisper" / file).touch()
        assert made({"--model": str(folder)})[0].second_pass == folder / "whisper"
        (folder / "whisper" / file).unlink()


@pytest.mark.parametrize("flags", [{}, {"--second-pass": str(SECOND_PASS)}])
def test_a_second_pass_needs_its_sample_rate(tmp_path: Path, flags: dict[str, str]) -> None:
    folder = model_dir(tmp_path / "model", sample_rate_hz=8000, second_pass=str(SECOND_PASS))
    said = refusal({"--model": str(folder), **flags})
    assert said == (
        "--second-pass needs an acoustic model at 16000 Hz, and echo runs at 8000 Hz: use "
        "--second-pass off"
    )
    engine, _ = made({"--model": str(folder), "--second-pass": "off"})
    assert engine.second_pass is None


def test_a_model_without_a_second_pass_goes_without_unless_one_is_named() -> None:
    assert made({"--model": str(ECHO)})[0].second_pass is None
    engine, _ = made({"--model": str(ECHO), "--second-pass": str(SECOND_PASS)})
    assert engine.second_pass == SECOND_PASS


def model_dir(folder: Path, **changes: object) -> Path:
    """The echo model with another model.json."""
    folder.mkdir()
    fields = json.loads((ECHO / "model.json").read_text())
    (folder / "model.json").write_text(json.dumps(fields | changes))
    return folder


def test_a_model_that_is_not_there() -> None:
    assert refusal({"--model": "/nowhere"}) == "no model in /nowhere: it has no model.json"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"chunk_frames": 0}, "chunk_frames must be a positive integer"),
        ({"weights": "gone.safetensors"}, "gone.safetensors does not exist"),
        ({"surplus": 1}, "must be an object with exactly: alpha, architecture, "),
    ],
)
def test_a_model_that_is_broken(tmp_path: Path, change: dict[str, Any], said: str) -> None:
    assert said in refusal({"--model": str(model_dir(tmp_path / "model", **change))})


@pytest.mark.parametrize(
    ("given", "missing"), [("--ssl-cert", "--ssl-key"), ("--ssl-key", "--ssl-cert")]
)
@pytest.mark.parametrize("by_variable", [False, True])
def test_one_half_of_tls(given: str, missing: str, by_variable: bool) -> None:
    variable = SETTINGS[given].variable
    assert variable is not None
    said = refusal(
        {} if by_variable else {given: str(THIS_FILE)},
        {variable: str(THIS_FILE)} if by_variable else {},
    )
    assert said == f"{given} is set without {missing}: TLS needs both, or neither"


def test_both_halves_of_tls_by_flag_and_variable() -> None:
    _, serve = made({"--ssl-cert": str(THIS_FILE)}, {"SSL_CERT_KEY": str(ECHO / "model.json")})
    assert (serve.ssl_cert, serve.ssl_key) == (THIS_FILE, ECHO / "model.json")


@pytest.mark.parametrize("missing", ["--ssl-cert", "--ssl-key"])
def test_a_tls_file_that_is_not_there(missing: str) -> None:
    flags = {"--ssl-cert": str(THIS_FILE), "--ssl-key": str(THIS_FILE), missing: "/nowhere.pem"}
    assert refusal(flags) == f"{missing} names /nowhere.pem, but there is no such file"
