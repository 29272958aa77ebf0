"""What a client asks of a server: address, parameters, patience. Checked when it is made."""

from __future__ import annotations

import re
import ssl
from dataclasses import dataclass, field
from typing import Final, TypedDict
from urllib.parse import urlencode, urlsplit

from realtime_client.backoff import Backoff

NEW_SESSION: Final = "new"
MIN_SAMPLE_RATE_HZ: Final = 8_000
MAX_SAMPLE_RATE_HZ: Final = 48_000


_TOKEN: Final = re.compile(r"[A-Za-z0-9._~+/-]+=*")  # RFC 6750: what the header can carry


class Options(TypedDict, total=False):
    """The options that everything in this package takes as keywords; see `Settings`."""

    sample_rate_hz: int
    text2int: bool
    ssl: ssl.SSLContext | None
    open_timeout_s: float
    reconnect: Backoff | None
    api_key: str | None


@dataclass(frozen=True, slots=True)
class Settings:
    """An address and the options. A bad one is a `ValueError` that says what would be right."""

    url: str
    """``ws://HOST:PORT`` or ``wss://HOST:PORT``; the parameters are added to it."""
    sample_rate_hz: int = 16_000
    """Samples per second of the audio that is sent, 8000 to 48000."""
    text2int: bool = False
    """Write numbers as digits: "seventy two" becomes "72"."""
    ssl: ssl.SSLContext | None = None
    """For ``wss://`` with a certificate that the system does not trust by itself."""
    open_timeout_s: float = 10.0
    """How long the server may take until it says that it is ready."""
    reconnect: Backoff | None = None
    """Connect again when the connection is lost, and send again what no final covers yet."""
    api_key: str | None = field(default=None, repr=False)
    """What the server's operator has given you, if the server asks for a key."""

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        if parts.scheme not in {"ws", "wss"} or not parts.hostname:
            raise ValueError(f"url must be like ws://HOST:4444 or wss://HOST, not {self.url!r}")
        if parts.query or parts.fragment:
            raise ValueError(
                f"url must not have parameters, not {self.url!r}: "
                "give sample_rate_hz and text2int as arguments"
            )
        if self.ssl is not None and parts.scheme != "wss":
            raise ValueError(f"ssl needs a url that begins with wss://, not {self.url!r}")
        if not MIN_SAMPLE_RATE_HZ <= self.sample_rate_hz <= MAX_SAMPLE_RATE_HZ:
            raise ValueError(
                f"sample_rate_hz must be from {MIN_SAMPLE_RATE_HZ} to {MAX_SAMPLE_RATE_HZ}, "
                f"not {self.sample_rate_hz}"
            )
        if not self.open_timeout_s > 0:
            raise ValueError(f"open_timeout_s must be more than 0, not {self.open_timeout_s:g}")
        if self.api_key is not None and not _TOKEN.fullmatch(self.api_key):
            raise ValueError("api_key must be letters, digits and -._~+/ without blanks")

    @property
    def headers(self) -> dict[str, str]:
        """What goes with the request."""
        return {} if self.api_key is None else {"Authorization": f"Bearer {self.api_key}"}

    def target(self, session: str | None = None, last_message_id: str | None = None) -> str:
        """The whole address, with the parameters as the protocol writes them.

        If a lost connection is to be made again, also with those of the session: a new one, or
        ``session``, of which ``last_message_id`` was the last that came.
        """
        parameters: dict[str, object] = {
            "downsample": True,  # the contract's word for "any rate"
            "sampleRate": self.sample_rate_hz,
            "text2int": self.text2int,
        }
        if self.reconnect is not None:
            parameters["session"] = session or NEW_SESSION
            if session is not None and last_message_id is not None:
                parameters["lastMsgId"] = last_message_id
        parts = urlsplit(self.url)
        return parts._replace(path=parts.path or "/", query=urlencode(parameters)).geturl()
