"""Every setting of the engine, once: its flag, its environment variable, its check.

A `Config` is made at start-up from flags over environment over defaults, proven usable as far as
that is possible without loading anything, and never changed.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

from models import BUNDLED_MODEL
from models.spec import ModelSpec, ModelSpecError
from server.frontend_settings import EVERYBODY, ClientSettings
from shm.layout import MAX_SLOTS
from shm.logs import FORMATS, TEXT, LogSettings

DEFAULT_PORT: Final = 4444
EVERY_ADDRESS: Final = "0.0.0.0"  # noqa: S104 - a server is there to be reached
MAX_BEAM_SIZE: Final = 2000
MAX_PROCESSES: Final = 64
CUDA_SLOTS: Final = 64
CPU_SLOTS_PER_CORE: Final = 16
MAX_CPU_SECOND_PASSES: Final = 4
SLOTS_PER_DECODER: Final = 6
LOG_LEVELS: Final = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
NO_LANGUAGE_MODEL: Final = "off"
NO_SECOND_PASS: Final = "off"
SECOND_PASS_FILES: Final = ("model.safetensors", "model.bin")
"""Moonshine's weights, Whisper's weights: one of them makes a second pass."""
SECOND_PASS_RATE_HZ: Final = 16_000
MODEL_SERVER_VARIABLE: Final = "MODELSERVER_HOSTNAME"

_T = TypeVar("_T")


class ConfigError(Exception):
    """A setting that cannot be used; the message is one line and says what would be right."""


@dataclass(frozen=True, slots=True)
class EngineConfig:
    """What the worker and decoder processes need."""

    model: Path
    device: str
    precision: str
    workers: int
    slots: int
    decoders: int
    beam_size: int
    language_model: Path | None
    search: str
    intermed_partials: bool
    second_pass: Path | None
    second_passes: int
    trailing_silence_ms: int
    nothing_spoken_ms: int
    standby: bool


@dataclass(frozen=True, slots=True)
class ServeConfig:
    """What the WebSocket side needs besides. Both TLS paths are set, or neither."""

    host: str
    port: int
    frontends: int
    log_level: str
    ssl_cert: Path | None
    ssl_key: Path | None
    log_format: str = TEXT
    operator_address: tuple[str, int] | None = None
    takeover: bool = False
    clients: ClientSettings = EVERYBODY

    @property
    def logs(self) -> LogSettings:
        """How every process writes its log."""
        return LogSettings(self.log_level, self.log_format)


@dataclass(frozen=True, slots=True)
class Setting:
    """One option: a flag, perhaps an environment variable, and how its text becomes a value."""

    flag: str
    variable: str | None
    default: str
    parse: Callable[[str], Any]
    help: str
    switch: bool = False

    @property
    def name(self) -> str:
        return self.flag.removeprefix("--").replace("-", "_")


def whole_number(low: int, high: int) -> Callable[[str], int]:
    """Parses a number from ``low`` to ``high``."""

    def parse(text: str) -> int:
        if not text.isascii() or not text.isdigit() or not low <= int(text) <= high:
            raise ValueError(f"must be a whole number from {low} to {high}")
        return int(text)

    return parse


def _count_or_auto(high: int) -> Callable[[str], int | None]:
    number = whole_number(1, high)

    def parse(text: str) -> int | None:
        if text == "auto":
            return None
        try:
            return number(text)
        except ValueError as error:
            raise ValueError(f"{error}, or auto") from None

    return parse


def _boolean(text: str) -> bool:
    value = {"true": True, "1": True, "false": False, "0": False}.get(text.lower())
    if value is None:
        raise ValueError("must be True or False")
    return value


def one_of(*choices: str) -> Callable[[str], str]:
    """Parses one of ``choices``, in any case."""

    def parse(text: str) -> str:
        for choice in choices:
            if text.lower() == choice.lower():
                return choice
        raise ValueError(f"must be one of {', '.join(choices)}")

    return parse


def _address(text: str) -> tuple[str, int] | None:
    """``HOST:PORT``; every address of the machine without a host, and an IPv6 one in brackets."""
    if not text:
        return None
    host, colon, port = text.rpartition(":")
    bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    if not colon or not port.isascii() or not port.isdigit() or not 1 <= int(port) <= 65_535:
        raise ValueError("must be HOST:PORT, such as 127.0.0.1:9100, or :9100 for every address")
    if ":" in bare and bare == host:
        raise ValueError("must have an IPv6 address in brackets, such as [::1]:9100")
    return bare or EVERY_ADDRESS, int(port)


def path_or_none(text: str) -> Path | None:
    """A path; None for no text."""
    return Path(text) if text else None


ENGINE_SETTINGS: Final = (
    Setting(
        "--device", "REALTIME_ENGINE_DEVICE", "auto", str,
        "where the acoustic model runs: auto (every GPU, else the CPU), cpu, cuda or cuda:N",
    ),
    Setting(
        "--precision", "REALTIME_ENGINE_PRECISION", "auto", one_of("auto", "float32", "int8"),
        "how the models compute: float32, int8 (on a CPU with AVX-512 VNNI, in a "
        "quarter of the time), or auto (int8 where it can be had)",
    ),
    Setting(
        "--gpus", "REALTIME_ENGINE_GPUS", "1", whole_number(1, MAX_PROCESSES),
        "worker processes, one per GPU",
    ),
    Setting(
        "--slots", "REALTIME_ENGINE_SLOTS", "auto", _count_or_auto(MAX_SLOTS),
        f"streams at the same time; more are refused with 503 (auto: {CUDA_SLOTS} per GPU, "
        f"{CPU_SLOTS_PER_CORE} per core on a CPU)",
    ),
    Setting(
        "--decoders", "REALTIME_ENGINE_DECODERS", "auto", _count_or_auto(MAX_PROCESSES),
        f"beam-search processes (auto: one per {SLOTS_PER_DECODER} slots, at most one per core "
        "but one)",
    ),
    Setting(
        "--beam-size", "DECODER_BEAM_SIZE", "600", whole_number(1, MAX_BEAM_SIZE),
        f"beam width, 1 to {MAX_BEAM_SIZE}: wider is more accurate, narrower carries more streams",
    ),
    Setting(
        "--lm", "CUSTOM_LANG_MODEL_PATH", "", str,
        "KenLM language model, ARPA or binary (empty: the bundled one; off: none)",
    ),
    Setting(
        "--decoder", "DECODER", "incremental", one_of("incremental", "pyctcdecode"),
        "beam search: incremental, or pyctcdecode, the slow reference",
    ),
    Setting(
        "--trailing-silence-ms", "REALTIME_ENGINE_TRAILING_SILENCE_MS", "600",
        whole_number(200, 5000), "silence after speech that ends an utterance, 200 to 5000",
    ),
    Setting(
        "--nothing-spoken-ms", "REALTIME_ENGINE_NOTHING_SPOKEN_MS", "5000",
        whole_number(1000, 20_000),
        "silence after which a segment without speech is given up, 1000 to 20000",
    ),
    Setting(
        "--second-pass", "REALTIME_ENGINE_SECOND_PASS", "", str,
        "directory of the model that hears every utterance again: Moonshine, or Whisper in "
        "CTranslate2's format as faster-whisper takes it (empty: the bundled one; off: none)",
    ),
    Setting(
        "--model", "REALTIME_ENGINE_MODEL", str(BUNDLED_MODEL), path_or_none,
        "directory of the acoustic model",
    ),
    Setting(
        "--intermed-partials", "INTERMED_PARTIALS", "False", _boolean,
        "partial results every 600 ms of speech instead of every 4 to 5 s",
        switch=True,
    ),
    Setting(
        "--standby", "REALTIME_ENGINE_STANDBY", "False", _boolean,
        "keep a successor loaded for every process of the engine, which takes over at once when "
        "that dies; on a CPU it shares its memory (16 MiB more with the bundled models), on a GPU, "
        "and with Whisper for the second pass, it takes that memory twice",
        switch=True,
    ),
)  # fmt: skip

SERVE_SETTINGS: Final = (
    Setting("--host", "REALTIME_ENGINE_HOST", EVERY_ADDRESS, str, "address to listen on"),
    Setting(
        "--port", "REALTIME_ENGINE_PORT", str(DEFAULT_PORT), whole_number(1, 65_535),
        "port to listen on",
    ),
    Setting(
        "--frontends", "REALTIME_ENGINE_FRONTENDS", "1", whole_number(1, MAX_PROCESSES),
        "WebSocket processes that share the port",
    ),
    Setting(
        "--log-level", "WEBSOCKET_SERVER_LOGLEVEL", "WARNING", one_of(*LOG_LEVELS),
        "log level: " + ", ".join(LOG_LEVELS),
    ),
    Setting(
        "--log-format", "REALTIME_ENGINE_LOG_FORMAT", TEXT, one_of(*FORMATS),
        "log lines as text, or as JSON, one object a line",
    ),
    Setting(
        "--operator-address", "REALTIME_ENGINE_OPERATOR_ADDRESS", "", _address,
        "HOST:PORT of their own for /metrics, /status and /status.json, which the port of the "
        "WebSocket then has no more (empty: the port of the WebSocket)",
    ),
    Setting(
        "--ssl-cert", "SSL_CERT_PATH", "", path_or_none,
        "certificate chain (PEM); with --ssl-key: wss://",
    ),
    Setting("--ssl-key", "SSL_CERT_KEY", "", path_or_none, "private key of the certificate (PEM)"),
    Setting(
        "--takeover", "REALTIME_ENGINE_TAKEOVER", "False", _boolean,
        "take the port over from the server that runs on it: load beside it, accept in its place, "
        "let it finish; where none runs, just start",
        switch=True,
    ),
)  # fmt: skip


def add_arguments(parser: argparse.ArgumentParser, settings: Sequence[Setting]) -> None:
    """Adds the flags to a parser. Values stay text: `read` parses flags and variables alike."""
    for setting in settings:
        parser.add_argument(
            setting.flag,
            dest=setting.name,
            metavar="BOOL" if setting.switch else setting.name.rsplit("_", maxsplit=1)[-1].upper(),
            nargs="?" if setting.switch else None,
            const="True" if setting.switch else None,
            help=help_of(setting),
        )


def help_of(setting: Setting) -> str:
    """What ``--help`` says about a setting."""
    default = f"default: {setting.default}" if setting.default else "default: none"
    variable = f", environment: {setting.variable}" if setting.variable else ""
    return f"{setting.help} ({default}{variable})".replace("%", "%%")


def read(
    settings: Sequence[Setting], flags: Mapping[str, str | None], environment: Mapping[str, str]
) -> dict[str, Any]:
    """The values of ``settings``: flags over environment over defaults.

    Raises:
        ConfigError: a value that its setting does not take; the message names where it came from.
    """
    values: dict[str, Any] = {}
    for setting in settings:
        text, source = setting.default, setting.flag
        if setting.variable and environment.get(setting.variable, "") != "":
            text, source = environment[setting.variable], setting.variable
        if flags.get(setting.name) is not None:
            text, source = str(flags[setting.name]), setting.flag
        try:
            values[setting.name] = setting.parse(text)
        except ValueError as error:
            raise ConfigError(f"{source} {error}, not {text!r}") from None
    return values


def engine_config(
    flags: Mapping[str, str | None], environment: Mapping[str, str]
) -> tuple[EngineConfig, ModelSpec]:
    """The engine's settings and the model that they name.

    Raises:
        ConfigError: an unusable value, or a model or language model file that is not there.
    """
    values = read(ENGINE_SETTINGS, flags, environment)
    try:
        spec = ModelSpec.load(values["model"])
    except ModelSpecError as error:
        raise ConfigError(str(error)) from error
    cores = len(os.sched_getaffinity(0))
    workers = values["gpus"]
    slots = values["slots"] or _default_slots(values["device"], workers, cores)
    decoders = values["decoders"] or max(1, min(-(-slots // SLOTS_PER_DECODER), cores - 1))
    if workers > slots:
        raise ConfigError(f"--gpus {workers} needs at least as many --slots, not {slots}")
    second_pass = _second_pass(values["second_pass"], spec)
    second_passes = _second_passes(values["device"], workers, cores)
    config = EngineConfig(
        model=values["model"],
        device=values["device"],
        precision=values["precision"],
        workers=workers,
        slots=slots,
        decoders=min(decoders, slots),
        beam_size=values["beam_size"],
        language_model=_language_model(values["lm"], spec),
        search=values["decoder"],
        intermed_partials=values["intermed_partials"],
        second_pass=second_pass,
        second_passes=min(second_passes, slots) if second_pass is not None else 0,
        trailing_silence_ms=values["trailing_silence_ms"],
        nothing_spoken_ms=values["nothing_spoken_ms"],
        standby=values["standby"],
    )
    return config, spec


def serve_config(flags: Mapping[str, str | None], environment: Mapping[str, str]) -> ServeConfig:
    """The WebSocket server's settings.

    Raises:
        ConfigError: an unusable value, one half of the TLS pair, or a file that is not there.
    """
    return serve_config_of(read(SERVE_SETTINGS, flags, environment))


def serve_config_of(values: Mapping[str, Any]) -> ServeConfig:
    """The same, of values that have been read.

    Raises:
        ConfigError: one half of the TLS pair, or a file that is not there.
    """
    cert, key = values["ssl_cert"], values["ssl_key"]
    if (cert is None) != (key is None):
        given, missing = ("--ssl-cert", "--ssl-key") if cert else ("--ssl-key", "--ssl-cert")
        raise ConfigError(f"{given} is set without {missing}: TLS needs both, or neither")
    for flag, path in (("--ssl-cert", cert), ("--ssl-key", key)):
        if path is not None and not path.is_file():
            raise ConfigError(f"{flag} names {path}, but there is no such file")
    return ServeConfig(**values)


def has_nvidia_device() -> bool:
    """Whether an NVIDIA driver shows a device here; a guess that needs no framework."""
    return Path("/dev/nvidia0").exists() or Path("/dev/dxg").exists()


def _is_gpu(device: str) -> bool:
    return device.startswith("cuda") or (device == "auto" and has_nvidia_device())


def _default_slots(device: str, workers: int, cores: int) -> int:
    return CUDA_SLOTS * workers if _is_gpu(device) else CPU_SLOTS_PER_CORE * cores


def _second_passes(device: str, workers: int, cores: int) -> int:
    """One for each GPU; on a CPU a core each, so that finals of a moment need not queue."""
    return workers if _is_gpu(device) else min(cores, MAX_CPU_SECOND_PASSES)


def _language_model(text: str, spec: ModelSpec) -> Path | None:
    if text == NO_LANGUAGE_MODEL:
        return None
    if text == "":
        return spec.language_model_path
    path = Path(text)
    if not path.is_file():
        raise ConfigError(
            f"--lm names {text}, but there is no such file: give a KenLM model (ARPA or binary), "
            "nothing for the bundled one, or off"
        )
    return path


def _second_pass(text: str, spec: ModelSpec) -> Path | None:
    if text == NO_SECOND_PASS:
        return None
    path = Path(text) if text else spec.second_pass_path
    if path is None:
        return None
    if not any((path / file).is_file() for file in SECOND_PASS_FILES):
        raise ConfigError(
            f"--second-pass names {path}, but there is no {' or '.join(SECOND_PASS_FILES)} in it: "
            "give a directory with a Moonshine model, or with a Whisper model in CTranslate2's "
            "format, nothing for the bundled one, or off"
        )
    if spec.sample_rate_hz != SECOND_PASS_RATE_HZ:
        raise ConfigError(
            f"--second-pass needs an acoustic model at {SECOND_PASS_RATE_HZ} Hz, and {spec.name} "
            f"runs at {spec.sample_rate_hz} Hz: use --second-pass off"
        )
    return path
