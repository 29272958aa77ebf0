"""Certificates and keys for tests, made by the openssl command."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Final

PASSWORD: Final = "secret"


def make_pair(folder: Path, name: str) -> tuple[Path, Path]:
    """A self-signed certificate for the loopback and its key, PEM."""
    cert, key = folder / f"{name}-cert.pem", folder / f"{name}-key.pem"
    _openssl(
        "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
        "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1",
        "-keyout", str(key), "-out", str(cert),
    )  # fmt: skip
    return cert, key


def encrypted(key: Path) -> Path:
    """The same key behind a password."""
    path = key.with_name(f"encrypted-{key.name}")
    _openssl("pkey", "-in", str(key), "-aes256", "-passout", f"pass:{PASSWORD}", "-out", str(path))
    return path


def _openssl(*arguments: str) -> None:
    subprocess.run(["openssl", *arguments], check=True, capture_output=True)
