"""The TLS context of the server: checked before anything listens, and renewed while it runs."""

from __future__ import annotations

import ssl
from pathlib import Path


class TlsError(Exception):
    """Certificate or key cannot be used; the message is one line."""


def server_context(cert: Path, key: Path) -> ssl.SSLContext:
    """TLS 1.2 or newer with a certificate chain and its key, both PEM.

    Over TLS 1.3 no session tickets are sent. They would come behind the handshake, just when a
    client says its request. One that reads in one thread and writes in another, such as websockets'
    `websockets.sync`, then uses one TLS connection of OpenSSL twice at once, which OpenSSL forbids
    (openssl/openssl#20446) and CPython does not prevent (python/cpython#137583): the write
    succeeds, and not a byte of it is sent (openssl/openssl#8977). What it costs: a client that
    comes again makes a whole handshake.

    Raises:
        TlsError: unreadable files, or a key that is not the certificate's.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.num_tickets = 0
    _load(context, cert, key)
    return context


class Certificate:
    """The TLS context of a process, if it has one, and how it follows its files.

    Raises (when made):
        TlsError: as `server_context`.
    """

    def __init__(self, cert: str | None, key: str | None) -> None:
        self.context: ssl.SSLContext | None = None
        self._paths: tuple[Path, Path] | None = None
        if cert is not None and key is not None:
            self._paths = Path(cert), Path(key)
            self.context = server_context(*self._paths)

    def read_again(self) -> None:
        """New connections get what the files hold now; those that are open go on.

        Raises:
            TlsError: as `server_context`; everything stays as it was.
        """
        if self.context is not None and self._paths is not None:
            server_context(*self._paths)  # tried on another one first
            _load(self.context, *self._paths)


def _load(context: ssl.SSLContext, cert: Path, key: Path) -> None:
    try:
        context.load_cert_chain(cert, key, password=_refuse_password)
    except (ssl.SSLError, OSError, ValueError) as error:
        reason = getattr(error, "reason", None) or error
        raise TlsError(
            f"TLS cannot start with certificate {cert} and key {key} ({reason}): "
            "both must be PEM, without a password, and belong together"
        ) from error


def _refuse_password() -> str:
    raise ValueError("the key has a password")
