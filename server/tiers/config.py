"""The settings of the two tiers: where a WebSocket server finds its model servers, and theirs.

Checked like those of `server.config`, before anything is bound or started. What a name stands for
and whether anybody answers there is found out later, and again and again.
"""

from __future__ import annotations

import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from server.config import (
    ENGINE_SETTINGS,
    MODEL_SERVER_VARIABLE,
    SERVE_SETTINGS,
    ConfigError,
    ServeConfig,
    Setting,
    one_of,
    path_or_none,
    read,
    serve_config_of,
    whole_number,
)
from server.tiers.keys import KEY_VARIABLE, KeyFileError, load_key
from shm.layout import PARTIALS_OF_ENGINE, PARTIALS_QUICK, PARTIALS_RARE

MODEL_SERVER_PORT: Final = 9123
MAX_SERVERS: Final = 64
LINKED_SLOTS: Final = 256
"""Streams of a WebSocket server that leaves the work to others, where --slots says nothing."""
HTTP: Final = "http"
HTTPS: Final = "https"

_NAME: Final = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_.-]{0,252}[A-Za-z0-9_])?\.?")
_IPV6: Final = re.compile(r"[0-9A-Fa-f.]*:[0-9A-Fa-f:.]*")
_KEPT: Final = ("slots", "intermed_partials")
"""Settings of the engine that mean something on the WebSocket server as well."""


@dataclass(frozen=True, slots=True)
class Host:
    """A model server, or several that share a name."""

    name: str
    port: int

    def __str__(self) -> str:
        return f"[{self.name}]:{self.port}" if ":" in self.name else f"{self.name}:{self.port}"


@dataclass(frozen=True, slots=True)
class LinkConfig:
    """What a link needs. ``key_file`` None: the key is in the environment."""

    hosts: tuple[Host, ...]
    tls: bool
    ca: Path | None
    key_file: Path | None
    slots: int
    partials: int


@dataclass(frozen=True, slots=True)
class ModelServerConfig:
    """What a model server needs beside its engine; ``key_file`` as for a link."""

    serve: ServeConfig
    key_file: Path | None


def _hosts(text: str) -> tuple[Host, ...]:
    """``HOST[:PORT]``, several with commas between them."""
    if not text:
        return ()
    hosts = tuple(_host(item.strip()) for item in text.split(","))
    if len(hosts) > MAX_SERVERS:
        raise ValueError(f"must name at most {MAX_SERVERS} model servers")
    if len(set(hosts)) < len(hosts):
        raise ValueError("must name each model server once")
    return hosts


def _host(text: str) -> Host:
    if "://" in text:
        raise ValueError(
            "must be HOST or HOST:PORT without a scheme (MODELSERVER_PROTOCOL says http or https)"
        )
    if text.startswith("["):
        name, bracket, rest = text[1:].partition("]")
        is_good = _IPV6.fullmatch(name) is not None and bool(bracket) and rest[:1] in {"", ":"}
        colon, port = rest[:1], rest[1:]
    else:
        name, colon, port = text.partition(":")
        is_good = _NAME.fullmatch(name) is not None
    port = port if colon else str(MODEL_SERVER_PORT)
    if not is_good:
        raise ValueError(
            f"must be HOST or HOST:PORT, several with commas between them, such as "
            f"gpu1,gpu2:{MODEL_SERVER_PORT}"
        )
    if not port.isascii() or not port.isdigit() or not 1 <= int(port) <= 65_535:
        raise ValueError(f"must have a port from 1 to 65535 behind {name}:")
    return Host(name, int(port))


LINK_SETTINGS: Final = (
    Setting(
        "--modelserver", MODEL_SERVER_VARIABLE, "", _hosts,
        "model servers that do the work instead of this machine: HOST[:PORT], several with commas "
        f"between them, the first one that has room first; port {MODEL_SERVER_PORT} unless given",
    ),
    Setting(
        "--modelserver-protocol", "MODELSERVER_PROTOCOL", HTTP, one_of(HTTP, HTTPS),
        "https: the connection to a model server is encrypted by TLS, and its certificate checked",
    ),
    Setting(
        "--modelserver-ca", "MODELSERVER_CA", "", path_or_none,
        "certificates (PEM) that vouch for those of the model servers (empty: those that this "
        "machine trusts)",
    ),
    Setting(
        "--modelserver-key-file", "MODELSERVER_KEY_FILE", "", path_or_none,
        "file with the key that WebSocket servers and model servers share; instead of it, the key "
        f"itself may be in the variable {KEY_VARIABLE}",
    ),
)  # fmt: skip

MODEL_SERVER_SETTINGS: Final = (
    Setting(
        "--port", "REALTIME_ENGINE_PORT", str(MODEL_SERVER_PORT), whole_number(1, 65_535),
        "port to listen on for WebSocket servers",
    ),
)  # fmt: skip

_OWN: Final = {setting.name for setting in MODEL_SERVER_SETTINGS}
SHARED_WITH_SERVE: Final = tuple(
    setting for setting in SERVE_SETTINGS if setting.name not in {*_OWN, "frontends"}
)
KEY_SETTING: Final = LINK_SETTINGS[-1]
"""Settings of other groups that a model server takes as well."""


def link_config(
    flags: Mapping[str, str | None], environment: Mapping[str, str]
) -> LinkConfig | None:
    """Where the model servers are; None where the engine of this machine does the work.

    Raises:
        ConfigError: an unusable value, no usable key, or settings of an engine that is elsewhere.
    """
    values = read(LINK_SETTINGS, flags, environment)
    if not values["modelserver"]:
        return None
    for setting in ENGINE_SETTINGS:
        source = _given(setting, flags, environment)
        if source is not None and setting.name not in _KEPT:
            raise ConfigError(
                f"{source} is a setting of the engine, which is on the model server: set it there"
            )
    tls = values["modelserver_protocol"] == HTTPS
    ca = values["modelserver_ca"]
    if ca is not None:
        _check_ca(ca, tls=tls)
    _check_key(values["modelserver_key_file"], environment)
    engine = read([s for s in ENGINE_SETTINGS if s.name in _KEPT], flags, environment)
    return LinkConfig(
        hosts=values["modelserver"],
        tls=tls,
        ca=ca,
        key_file=values["modelserver_key_file"],
        slots=engine["slots"] or LINKED_SLOTS,
        partials=_partials(flags, environment, quick=engine["intermed_partials"]),
    )


def model_server_config(
    flags: Mapping[str, str | None], environment: Mapping[str, str]
) -> ModelServerConfig:
    """The settings of a model server that are not its engine's.

    Raises:
        ConfigError: an unusable value, no usable key, or a file that is not there.
    """
    if environment.get(MODEL_SERVER_VARIABLE):
        raise ConfigError(
            f"{MODEL_SERVER_VARIABLE} is set, and this is a model server: it is for `serve`"
        )
    settings = (*MODEL_SERVER_SETTINGS, *SHARED_WITH_SERVE, KEY_SETTING)
    values = read(settings, flags, environment)
    key_file = values.pop("modelserver_key_file")
    _check_key(key_file, environment)
    return ModelServerConfig(serve_config_of(values | {"frontends": 1}), key_file)


def _given(
    setting: Setting, flags: Mapping[str, str | None], environment: Mapping[str, str]
) -> str | None:
    """By which flag or variable a setting has been given, if it has."""
    if flags.get(setting.name) is not None:
        return setting.flag
    if setting.variable and environment.get(setting.variable, "") != "":
        return setting.variable
    return None


def _partials(
    flags: Mapping[str, str | None], environment: Mapping[str, str], *, quick: bool
) -> int:
    """What to ask a model server for: as it is set, unless it is set here."""
    (setting,) = (s for s in ENGINE_SETTINGS if s.name == "intermed_partials")
    if _given(setting, flags, environment) is None:
        return PARTIALS_OF_ENGINE
    return PARTIALS_QUICK if quick else PARTIALS_RARE


def _check_key(key_file: Path | None, environment: Mapping[str, str]) -> None:
    try:
        load_key(key_file, environment)
    except KeyFileError as error:
        raise ConfigError(str(error)) from error


def _check_ca(ca: Path, *, tls: bool) -> None:
    if not tls:
        raise ConfigError("--modelserver-ca is for --modelserver-protocol https: set both")
    try:
        ssl.create_default_context(cafile=ca)
    except (OSError, ssl.SSLError) as error:
        reason = getattr(error, "reason", None) or error.strerror or error
        raise ConfigError(
            f"--modelserver-ca {ca} cannot be used ({reason}): give certificates in PEM"
        ) from error
