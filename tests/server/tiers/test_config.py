"""The settings of two tiers, and what is said about those that cannot be used."""

from __future__ import annotations

from pathlib import Path

import pytest

from server.config import ConfigError
from server.tiers.config import LINKED_SLOTS, Host, LinkConfig, link_config, model_server_config
from shm.layout import PARTIALS_OF_ENGINE, PARTIALS_QUICK, PARTIALS_RARE
from tests.server.certificates import make_pair

KEY = {"MODELSERVER_KEY": "0123456789abcdef"}


def linked(environment: dict[str, str], **flags: str) -> LinkConfig:
    found = link_config(flags, {"MODELSERVER_HOSTNAME": "gpu-1", **KEY, **environment})
    assert found is not None
    return found


def refusal(environment: dict[str, str], **flags: str) -> str:
    with pytest.raises(ConfigError) as refused:
        linked(environment, **flags)
    assert len(str(refused.value).splitlines()) == 1
    return str(refused.value)


def test_without_a_model_server_there_is_no_link() -> None:
    assert link_config({}, {}) is None
    assert link_config({}, {"MODELSERVER_PROTOCOL": "https"}) is None


def test_defaults() -> None:
    assert linked({}) == LinkConfig(
        hosts=(Host("gpu-1", 9123),),
        tls=False,
        ca=None,
        key_file=None,
        slots=LINKED_SLOTS,
        partials=PARTIALS_OF_ENGINE,
    )


@pytest.mark.parametrize(
    ("text", "hosts"),
    [
        ("gpu-1:9000", [Host("gpu-1", 9000)]),
        ("a, b:1 ,10.0.0.7", [Host("a", 9123), Host("b", 1), Host("10.0.0.7", 9123)]),
        ("[::1],[fe80::1]:9", [Host("::1", 9123), Host("fe80::1", 9)]),
        ("modelserver.realtime.svc.cluster.local.", [
            Host("modelserver.realtime.svc.cluster.local.", 9123)
        ]),
    ],
)  # fmt: skip
def test_hosts(text: str, hosts: list[Host]) -> None:
    assert list(linked({"MODELSERVER_HOSTNAME": text}).hosts) == hosts
    for host in hosts:
        (again,) = linked({"MODELSERVER_HOSTNAME": str(host)}).hosts
        assert again == host


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("http://gpu-1:9123", "without a scheme"),
        ("wss://gpu-1", "without a scheme"),
        ("gpu-1:0", "a port from 1 to 65535"),
        ("gpu-1:99999", "a port from 1 to 65535"),
        ("gpu-1:", "a port from 1 to 65535"),
        ("gpu-1:http", "a port from 1 to 65535"),
        ("gpu-1/asr", "HOST or HOST:PORT"),
        ("gpu-1,,gpu-2", "HOST or HOST:PORT"),
        ("::1", "HOST or HOST:PORT"),
        ("[::1", "HOST or HOST:PORT"),
        ("[::1]9123", "HOST or HOST:PORT"),
        ("gpu 1", "HOST or HOST:PORT"),
        ("gpu-1,gpu-1:9123", "each model server once"),
        (",".join(f"gpu-{n}" for n in range(65)), "at most 64"),
    ],
)
def test_what_is_no_host(text: str, said: str) -> None:
    line = refusal({"MODELSERVER_HOSTNAME": text})
    assert line.startswith("MODELSERVER_HOSTNAME must")
    assert said in line


def test_the_flag_is_named_where_it_was_used() -> None:
    assert refusal({}, modelserver="http://x").startswith("--modelserver must")


def test_protocol_and_certificates(tmp_path: Path) -> None:
    cert, key = make_pair(tmp_path, "server")
    https = {"MODELSERVER_PROTOCOL": "HTTPS"}
    assert linked(https).tls
    assert linked(https | {"MODELSERVER_CA": str(cert)}).ca == cert
    assert "must be one of http, https" in refusal({"MODELSERVER_PROTOCOL": "grpc"})
    assert "set both" in refusal({"MODELSERVER_CA": str(cert)})
    assert "cannot be used" in refusal(https | {"MODELSERVER_CA": str(key)})
    assert "No such file" in refusal(https | {"MODELSERVER_CA": str(tmp_path / "none")})


def test_a_key_there_must_be(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text("0123456789abcdef")
    found = linked({"MODELSERVER_KEY": "", "MODELSERVER_KEY_FILE": str(path)})
    assert found.key_file == path
    assert "is missing" in refusal({"MODELSERVER_KEY": ""})
    assert "both set" in refusal({"MODELSERVER_KEY_FILE": str(path)})


@pytest.mark.parametrize(
    ("environment", "flags", "named"),
    [
        ({"DECODER_BEAM_SIZE": "500"}, {}, "DECODER_BEAM_SIZE"),
        ({"CUSTOM_LANG_MODEL_PATH": "/lm.bin"}, {}, "CUSTOM_LANG_MODEL_PATH"),
        ({}, {"model": "models/echo"}, "--model"),
        ({}, {"device": "cpu"}, "--device"),
    ],
)
def test_settings_of_the_engine_belong_to_the_model_server(
    environment: dict[str, str], flags: dict[str, str], named: str
) -> None:
    line = refusal(environment, **flags)
    assert line.startswith(f"{named} is a setting of the engine")


def test_two_settings_of_the_engine_are_the_websocket_servers_as_well() -> None:
    assert linked({"REALTIME_ENGINE_SLOTS": "12"}).slots == 12
    assert linked({"INTERMED_PARTIALS": "True"}).partials == PARTIALS_QUICK
    assert linked({}, intermed_partials="False").partials == PARTIALS_RARE


def test_a_model_server() -> None:
    found = model_server_config({}, KEY)
    assert (found.serve.port, found.serve.frontends, found.key_file) == (9123, 1, None)
    assert model_server_config({"port": "9999"}, KEY).serve.port == 9999
    for environment, said in (
        ({}, "is missing"),
        (KEY | {"MODELSERVER_HOSTNAME": "gpu-1"}, "this is a model server"),
        (KEY | {"SSL_CERT_PATH": "/x"}, "TLS needs both"),
    ):
        with pytest.raises(ConfigError, match=said):
            model_server_config({}, environment)
