"""What can go wrong between a client and its server, each with what is needed to react."""

from __future__ import annotations


class RecogniserError(Exception):
    """The base of all errors of this package."""


class AudioError(RecogniserError, ValueError):
    """The audio is not what can be sent; the message says what would be right."""


class ProtocolError(RecogniserError):
    """The server sent what no server of this protocol sends; the message names what is wrong."""


class ServerError(RecogniserError):
    """The server answered with a ``status`` that is not ``ready``, such as ``rate_limited``."""

    def __init__(self, status: str, info: str) -> None:
        super().__init__(f"{status}: {info}")
        self.status = status
        self.info = info


class Refused(RecogniserError):  # noqa: N818 - it says what happened
    """The server answered the handshake with an HTTP status.

    400 is a bad parameter, 401 a missing or unknown API key, 503 a server whose streams are all in
    use; ``retry_after_s`` is then how long it asks to wait, None if it does not say.
    """

    def __init__(self, status_code: int, reason: str, retry_after_s: int | None = None) -> None:
        super().__init__(f"refused with HTTP {status_code}: {reason}")
        self.status_code = status_code
        self.reason = reason
        self.retry_after_s = retry_after_s


class Unreachable(RecogniserError, ConnectionError):  # noqa: N818 - it says what happened
    """There is no WebSocket to be had at that address: no host, no port, no TLS, no answer."""


class ConnectionLost(RecogniserError, ConnectionError):  # noqa: N818 - it says what happened
    """The connection ended before the stream did.

    Finals have arrived for the audio up to ``finals_until_ms``, in milliseconds of the stream:
    send the audio from there on again, and nothing is missing.
    """

    def __init__(self, cause: str, finals_until_ms: int) -> None:
        super().__init__(f"{cause}; finals have come for the first {finals_until_ms} ms")
        self.finals_until_ms = finals_until_ms
