"""Every setting: its flag, its variable, which of them wins, and what a wrong value is told."""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path
from typing import Any

import pytest

from models import BUNDLED_MODEL, ECHO_MODEL
from server.config import (
    ENGINE_SETTINGS,
    SERVE_SETTINGS,
    ConfigError,
    Setting,
    add_arguments,
    engine_config,
    read,
    serve_config,
)

ALL_SETTINGS = (*ENGINE_SETTINGS, *SERVE_SETTINGS)
WRONG = [
    ("beam_size", "0", "1 to 2000"),
    ("beam_size", "2001", "1 to 2000"),
    ("beam_size", "many", "1 to 2000"),
    ("beam_size", "-1", "1 to 2000"),
    ("slots", "0", "or auto"),
    ("decoders", "none", "or auto"),
    ("gpus", "0", "1 to 64"),
    ("intermed_partials", "maybe", "True or False"),
    ("decoder", "greedy", "incremental, pyctcdecode"),
    ("port", "65536", "1 to 65535"),
    ("frontends", "0", "1 to 64"),
    ("log_level", "LOUD", "WARNING"),
]


def setting(name: str) -> Setting:
    return next(s for s in ALL_SETTINGS if s.name == name)


@pytest.mark.parametrize(("name", "value", "right"), WRONG)
def test_a_wrong_flag_is_told_what_would_be_right(name: str, value: str, right: str) -> None:
    with pytest.raises(ConfigError) as raised:
        read([setting(name)], {name: value}, {})
    message = str(raised.value)
    assert message.startswith(setting(name).flag)
    assert right in message
    assert f"'{value}'" in message
    assert "\n" not in message


@pytest.mark.parametrize(("name", "value", "right"), WRONG)
def test_a_wrong_variable_is_named(name: str, value: str, right: str) -> None:
    variable = setting(name).variable
    assert variable is not None
    with pytest.raises(ConfigError, match=variable):
        read([setting(name)], {}, {variable: value})


def test_flag_over_variable_over_default() -> None:
    beam = [setting("beam_size")]
    assert read(beam, {}, {}) == {"beam_size": 600}
    assert read(beam, {}, {"DECODER_BEAM_SIZE": ""}) == {"beam_size": 600}
    assert read(beam, {}, {"DECODER_BEAM_SIZE": "700"}) == {"beam_size": 700}
    assert read(beam, {"beam_size": "800"}, {"DECODER_BEAM_SIZE": "700"}) == {"beam_size": 800}


@pytest.mark.parametrize(("text", "value"), [("True", True), ("false", False), ("1", True)])
def test_booleans_are_taken_in_any_case(text: str, value: bool) -> None:
    assert read([setting("intermed_partials")], {}, {"INTERMED_PARTIALS": text}) == {
        "intermed_partials": value
    }


def test_the_contract_names_these_variables() -> None:
    variables = {s.variable for s in ALL_SETTINGS}
    assert {
        "INTERMED_PARTIALS",
        "WEBSOCKET_SERVER_LOGLEVEL",
        "SSL_CERT_PATH",
        "SSL_CERT_KEY",
        "CUSTOM_LANG_MODEL_PATH",
        "DECODER_BEAM_SIZE",
    } <= variables


def test_help_shows_every_setting_with_its_variable() -> None:
    parser = argparse.ArgumentParser()
    add_arguments(parser, ALL_SETTINGS)
    shown = parser.format_help()
    for each in ALL_SETTINGS:
        assert each.flag in shown
        assert str(each.variable) in shown


def test_a_switch_needs_no_value() -> None:
    parser = argparse.ArgumentParser()
    add_arguments(parser, ENGINE_SETTINGS)
    flags = vars(parser.parse_args(["--intermed-partials"]))
    assert read(ENGINE_SETTINGS, flags, {})["intermed_partials"] is True


def test_defaults_make_a_working_engine() -> None:
    config, spec = engine_config({}, {})
    assert spec.directory == BUNDLED_MODEL
    assert config.beam_size == 600
    assert config.language_model == BUNDLED_MODEL / "lm.bin"
    assert config.slots >= 1
    assert 1 <= config.decoders <= config.slots


def test_a_language_model_can_be_replaced_or_left_out(tmp_path: Path) -> None:
    own = tmp_path / "own.arpa"
    own.write_text("")
    assert engine_config({"lm": str(own)}, {})[0].language_model == own
    assert engine_config({"lm": "off"}, {})[0].language_model is None
    assert engine_config({"model": str(ECHO_MODEL)}, {})[0].language_model is None


def broken_model(tmp_path: Path, spoil: str) -> Path:
    """A copy of the echo model with one thing wrong."""
    directory = tmp_path / "model"
    shutil.copytree(ECHO_MODEL, directory)
    if spoil == "absent":
        (directory / "model.json").unlink()
    else:
        (directory / "model.json").write_text("{")
    return directory


@pytest.mark.parametrize(
    ("flags", "named"),
    [
        ({"lm": "/nowhere/lm.bin"}, "/nowhere/lm.bin"),
        ({"model": "/nowhere"}, "/nowhere"),
        ({"gpus": "3", "slots": "2"}, "--slots"),
    ],
)
def test_what_is_not_there_is_named(flags: dict[str, Any], named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        engine_config(flags, {})


@pytest.mark.parametrize("spoil", ["absent", "broken"])
def test_a_broken_model_is_named(tmp_path: Path, spoil: str) -> None:
    with pytest.raises(ConfigError, match=r"model\.json"):
        engine_config({"model": str(broken_model(tmp_path, spoil))}, {})


def test_one_half_of_the_tls_pair_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "file.pem"
    file.write_text("")
    with pytest.raises(ConfigError, match="--ssl-cert is set without --ssl-key"):
        serve_config({"ssl_cert": str(file)}, {})
    with pytest.raises(ConfigError, match="--ssl-key is set without --ssl-cert"):
        serve_config({}, {"SSL_CERT_KEY": str(file)})
    with pytest.raises(ConfigError, match="no such file"):
        serve_config({"ssl_cert": str(file), "ssl_key": "/nowhere.pem"}, {})


def test_a_model_server_elsewhere_is_not_silently_ignored() -> None:
    with pytest.raises(ConfigError, match="MODELSERVER_HOSTNAME"):
        serve_config({}, {"MODELSERVER_HOSTNAME": "gpu:9123"})
