"""What the supervisor hands on comes back, and the key is in none of it."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from server.tiers.config import Host, LinkConfig
from server.tiers.settings import LinkSettings, ListenerSettings


def test_a_links_settings_survive_the_command_line() -> None:
    hosts = (Host("a", 1), Host("::1", 9123))
    config = LinkConfig(hosts, True, Path("/ca.pem"), Path("/key"), 9, 2)
    settings = LinkSettings(**json.loads(json.dumps(asdict(LinkSettings.of(config)))))
    assert settings.names == list(hosts)
    assert (settings.tls, settings.ca, settings.partials) == (True, "/ca.pem", 2)
    assert settings.key_path == Path("/key")


def test_without_files() -> None:
    settings = LinkSettings.of(LinkConfig((Host("a", 1),), False, None, None, 9, 0))
    assert (settings.ca, settings.key_path) == (None, None)


def test_a_listener_inherits_its_sockets() -> None:
    assert ListenerSettings(3, None, None, None, None).fds == (3,)
    settings = ListenerSettings(3, "c", "k", 4, "/key")
    assert settings.fds == (3, 4)
    assert settings.key_path == Path("/key")
