"""docker-compose.yml: valid by the Compose specification, and careful."""

from __future__ import annotations

import json
import re
from typing import Any, Final

import pytest
import yaml

from bench.settings_page import groups
from deploy.dockerfile import stages
from server.supervisor import DRAIN_TIMEOUT_S
from server.tiers.config import MODEL_SERVER_PORT, link_config
from server.tiers.keys import KEY_VARIABLE
from tests.conformance.server_process import ROOT
from tests.docs.pages import page

TEXT: Final = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
COMPOSE: Final = yaml.safe_load(TEXT)
SERVICES: Final[dict[str, dict[str, Any]]] = COMPOSE["services"]
VARIABLES: Final = {KEY_VARIABLE} | {
    setting.variable for group in groups().values() for setting in group if setting.variable
}


def test_the_specification_allows_it() -> None:
    """As Compose sees it, with variables and anchors put in."""
    compose_spec = pytest.importorskip(
        "compose_spec", reason="compose-spec is not installed (pip install compose-spec)"
    )
    resolved = yaml.safe_load(re.sub(r"\$\{\w+:-(.*?)\}", r"\1", TEXT))
    compose_spec.PyCompose.from_yaml(json.dumps(resolved)).validate()
    resolved["services"]["server"]["no_such_key"] = 1
    with pytest.raises(ValueError, match="no_such_key"):
        compose_spec.PyCompose.from_yaml(json.dumps(resolved))


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_is_kept_small(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["restart"] == "unless-stopped"
    assert set(service["logging"]["options"]) == {"max-size", "max-file"}
    assert int(service["stop_grace_period"].removesuffix("s")) > DRAIN_TIMEOUT_S
    assert all(volume.endswith(":ro") for volume in service.get("volumes", []))


@pytest.mark.parametrize("name", SERVICES)
def test_settings_reach_the_server(name: str) -> None:
    everything = [{"path": ".env", "required": False}]
    assert SERVICES[name]["env_file"] == ([] if name == "websocket" else everything)
    assert set(SERVICES[name].get("environment", {})) <= VARIABLES
    assert "PORT" not in VARIABLES  # or the container's own port would change with the public one


@pytest.mark.parametrize("name", SERVICES)
def test_every_image_is_one_that_the_dockerfile_makes(name: str) -> None:
    service = SERVICES[name]
    variant = service["build"]["args"]["VARIANT"]
    assert service["image"] == f"realtime-engine:{variant}"
    dockerfile = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    bases = {stage.name for stage in stages(dockerfile, {})}
    assert f"base-{variant}" in bases


def test_one_service_is_started_by_itself() -> None:
    assert [name for name, service in SERVICES.items() if "profiles" not in service] == ["server"]
    server = SERVICES["server"]
    assert server["ports"] == ["${PORT:-80}:4444", "127.0.0.1:9100:9100"]
    assert server["environment"] == {"REALTIME_ENGINE_OPERATOR_ADDRESS": ":9100"}
    (device,) = server["deploy"]["resources"]["reservations"]["devices"]
    assert (device["driver"], device["capabilities"]) == ("nvidia", ["gpu"])


def test_there_is_no_redis_and_it_says_so() -> None:
    assert not any("redis" in name for name in SERVICES)
    assert "no Redis" in TEXT
    assert "No Redis" in page("MIGRATING.md")


def test_comments_name_services_that_there_are() -> None:
    named = re.findall(r"docker compose up -d ?([\w ]*)$", TEXT, re.MULTILINE)
    assert {service for names in named for service in names.split()} <= set(SERVICES)
    assert len(named) == 3


def test_the_two_tiers_meet() -> None:
    """With what the file sets where nobody sets anything, but for the key."""
    near, far = SERVICES["websocket"], SERVICES["modelserver"]
    assert near["profiles"] == far["profiles"] == ["two-tier"]
    assert far["command"] == ["model-server"]
    environment = {
        name: re.sub(r"\$\{\w+:-(.*?)\}", r"\1", value)
        for name, value in near["environment"].items()
    }
    found = link_config({}, environment | {KEY_VARIABLE: "0123456789abcdef"})
    assert found is not None
    assert [str(host) for host in found.hosts] == [f"modelserver:{MODEL_SERVER_PORT}"]
    assert not found.tls
