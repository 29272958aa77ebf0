"""The servers that the conformance tests share. Each is started when the first test asks for it.

Every test runs against one machine, and again against a WebSocket server whose model is on another.
"""

from __future__ import annotations

import ssl
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import pytest

from tests.conformance.server_process import ECHO, HOST, ServerProcess
from tests.conformance.two_tiers import TwoTiers

FEW_SLOTS = "4"

Tiers: TypeAlias = type[ServerProcess]


@pytest.fixture(scope="session", params=[ServerProcess, TwoTiers], ids=["one-tier", "two-tiers"])
def tiers(request: pytest.FixtureRequest) -> Tiers:
    """On how many machines the server runs."""
    kind: Tiers = request.param
    return kind


@pytest.fixture(scope="session")
def speech_server(tiers: Tiers) -> Iterator[ServerProcess]:
    """The bundled model with a narrow beam: the same promises, sooner."""
    with tiers("--beam-size", "100", "--slots", FEW_SLOTS) as server:
        yield server


@pytest.fixture(scope="session")
def quick_speech_server(tiers: Tiers) -> Iterator[ServerProcess]:
    """The same with INTERMED_PARTIALS, set as an operator sets it."""
    environment = {"INTERMED_PARTIALS": "True", "DECODER_BEAM_SIZE": "100"}
    with tiers("--slots", FEW_SLOTS, environment=environment) as server:
        yield server


@pytest.fixture(scope="session")
def one_pass_speech_server(tiers: Tiers) -> Iterator[ServerProcess]:
    """With INTERMED_PARTIALS, and no second pass."""
    flags = ("--intermed-partials", "--second-pass", "off")
    with tiers("--beam-size", "100", "--slots", FEW_SLOTS, *flags) as server:
        yield server


@pytest.fixture(scope="session")
def echo_server(tiers: Tiers) -> Iterator[ServerProcess]:
    """A model that spells: texts are exact. See `spelling`."""
    with tiers(*echo_flags()) as server:
        yield server


@pytest.fixture(scope="session")
def quick_echo_server(tiers: Tiers) -> Iterator[ServerProcess]:
    """The spelling model with INTERMED_PARTIALS."""
    with tiers(*echo_flags(), environment={"INTERMED_PARTIALS": "True"}) as server:
        yield server


@dataclass(frozen=True, slots=True)
class TlsServer:
    """A server with TLS, and a client's context that trusts it."""

    process: ServerProcess
    context: ssl.SSLContext


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A self-signed certificate for the loopback, and its key (PEM)."""
    folder = tmp_path_factory.mktemp("tls")
    cert, key = folder / "cert.pem", folder / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
         "-nodes", "-days", "2", "-subj", f"/CN={HOST}", "-addext", f"subjectAltName=IP:{HOST}",
         "-keyout", str(key), "-out", str(cert)],
        check=True, capture_output=True,
    )  # fmt: skip
    return cert, key


@pytest.fixture(scope="session")
def tls_server(tiers: Tiers, certificate: tuple[Path, Path]) -> Iterator[TlsServer]:
    """The spelling model behind wss://."""
    cert, key = certificate
    environment = {"SSL_CERT_PATH": str(cert), "SSL_CERT_KEY": str(key)}
    with tiers(*echo_flags(), environment=environment, scheme="wss") as server:
        yield TlsServer(server, ssl.create_default_context(cafile=cert))


def echo_flags() -> tuple[str, ...]:
    """The spelling model needs no beam to speak of."""
    return ("--model", str(ECHO), "--beam-size", "20", "--slots", FEW_SLOTS)
