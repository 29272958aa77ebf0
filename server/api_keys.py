"""The keys by which clients are let in, and how what a client gives is compared with them.

A server without keys lets everybody in. With some, the WebSocket's handshake must bring one of
them: in the header ``Authorization: Bearer KEY``, or, where a client cannot set headers (a
browser), in the parameter ``apiKey``. Pages need none: they say nothing of any client.

Keys are kept as SHA-256 digests, so that all comparisons are of the same length; every one is made,
whichever fits, so that the time taken tells nothing but how many keys there are.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

KEYS_VARIABLE: Final = "REALTIME_ENGINE_API_KEYS"
MIN_KEY_CHARS: Final = 16
MAX_KEY_CHARS: Final = 512
MAX_KEYS: Final = 1000
MISSING: Final = (
    "this server needs an API key: send the header Authorization: Bearer KEY, or the parameter "
    "apiKey=KEY"
)
WRONG: Final = "this API key is not one of the server's: ask its operator for one that is"

_KEY: Final = re.compile(r"[A-Za-z0-9._~+/-]+=*")  # what RFC 6750 lets a bearer token be
_BEARER: Final = "bearer"


class ApiKeysError(Exception):
    """There are no usable keys; the message is one line and says what would be right."""


class ApiKeys:
    """Which keys let a client in; none at all: everybody is let in."""

    __slots__ = ("_digests",)

    def __init__(self, keys: Iterable[str] = ()) -> None:
        self._digests = tuple(_digest(key) for key in dict.fromkeys(keys))

    @property
    def needed(self) -> bool:
        """Whether a client must give one."""
        return bool(self._digests)

    def refusal(self, authorization: str | None, parameter: str | None) -> str | None:
        """Why a client is not let in, None if it is.

        A bearer token of its ``Authorization`` header counts before the parameter ``apiKey``;
        other schemes are for others, such as a proxy.
        """
        if not self._digests:
            return None
        given = _bearer(authorization) or parameter
        if not given:
            return MISSING
        digest = _digest(given)
        fits = [hmac.compare_digest(digest, known) for known in self._digests]
        return None if any(fits) else WRONG


def load_keys(path: Path | None, environment: Mapping[str, str]) -> ApiKeys:
    """The keys of a file, one a line, or those of the environment, between commas or blanks.

    Empty lines and those that begin with ``#`` say nothing.

    Raises:
        ApiKeysError: keys in both places, an unreadable or empty file, too many keys, or one that
            is too short to be a secret or has characters that a header does not carry.
    """
    given = environment.get(KEYS_VARIABLE, "")
    if path is None:
        return ApiKeys(_checked(re.split(r"[\s,]+", given.strip()), KEYS_VARIABLE) if given else ())
    if given:
        raise ApiKeysError(f"{KEYS_VARIABLE} and --api-key-file are both set: keep one")
    source = f"--api-key-file {path}"
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text"
        raise ApiKeysError(
            f"{source} cannot be read ({reason}): give a text file with one key a line"
        ) from error
    keys = [line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#")]
    return ApiKeys(_checked(keys, source))


def _checked(keys: list[str], source: str) -> list[str]:
    """The same keys; an error never quotes one."""
    if not 1 <= len(keys) <= MAX_KEYS:
        raise ApiKeysError(
            f"{source} has {len(keys)} keys: give 1 to {MAX_KEYS}, or no file to let everybody in"
        )
    for number, key in enumerate(keys, start=1):
        if not MIN_KEY_CHARS <= len(key) <= MAX_KEY_CHARS or not _KEY.fullmatch(key):
            raise ApiKeysError(
                f"key {number} of {source} cannot be used: a key has {MIN_KEY_CHARS} to "
                f"{MAX_KEY_CHARS} letters, digits and -._~+/ (a new one: openssl rand -hex 32)"
            )
    return keys


def _bearer(authorization: str | None) -> str | None:
    scheme, _, token = (authorization or "").strip().partition(" ")
    return token.strip() if scheme.lower() == _BEARER else None


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()
