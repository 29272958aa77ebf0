"""The TLS context of the server, checked before anything listens."""

from __future__ import annotations

import ssl
from pathlib import Path


class TlsError(Exception):
    """Certificate or key cannot be used; the message is one line."""


def server_context(cert: Path, key: Path) -> ssl.SSLContext:
    """TLS 1.2 or newer with a certificate chain and its key, both PEM.

    Raises:
        TlsError: unreadable files, or a key that is not the certificate's.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(cert, key, password=_refuse_password)
    except (ssl.SSLError, OSError, ValueError) as error:
        reason = getattr(error, "reason", None) or error
        raise TlsError(
            f"TLS cannot start with certificate {cert} and key {key} ({reason}): "
            "both must be PEM, without a password, and belong together"
        ) from error
    return context


def _refuse_password() -> str:
    raise ValueError("the key has a password")
