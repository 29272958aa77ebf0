"""The parameters of a connection, read from the target of the client's opening request.

Pure: it takes the request target as a string and gives parameters or a refusal, and does no I/O.
What a client may write is lines 1, 2 and 6 of the protocol, and an API key (ours). The HTTP parser
in front of this module bounds the length of a target, `messages.quoted` that of a refusal.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Final
from urllib.parse import unquote

from server import messages

DEFAULT_SAMPLE_RATE_HZ: Final = 8000
MIN_SAMPLE_RATE_HZ: Final = 8000
MAX_SAMPLE_RATE_HZ: Final = 48000

API_KEY: Final = "apiKey"
SESSION: Final = "session"
LAST_MESSAGE: Final = "lastMsgId"
NEW: Final = "new"
"""The value of `SESSION` that asks for a session to come back to."""

_NAMES: Final = ("downsample", "sampleRate", "text2int", API_KEY, SESSION, LAST_MESSAGE)
_SECRETS: Final = {API_KEY, SESSION}
_BOOLEANS: Final = {"true": True, "1": True, "false": False, "0": False}
_INTEGER: Final = re.compile(
    "[0-9]{1,9}"
)  # not int(): it takes " 16_000", and digits of any script


@dataclass(frozen=True, slots=True)
class Parameters:
    """What the client asked for: the rate of the PCM it sends, and numbers as digits or not."""

    sample_rate_hz: int = DEFAULT_SAMPLE_RATE_HZ
    text2int: bool = False


@dataclass(frozen=True, slots=True)
class Opening:
    """All that an opening request says: the stream's parameters, and who asks for it."""

    parameters: Parameters
    api_key: str | None = field(default=None, repr=False)  # in no log
    session: str | None = field(default=None, repr=False)
    """The token of a session to go on with, or `NEW`; None: it ends with its connection."""
    last_message_id: str | None = None

    @property
    def comes_back(self) -> bool:
        """Whether it is for a session that has begun."""
        return self.session not in {None, NEW}


class RequestError(Exception):
    """The opening request is refused: an HTTP status, and what is wrong and what would be right.

    ``reason`` is one of `shm.figures.REFUSED`; ``headers`` go with the answer.
    """

    def __init__(
        self,
        http_status: int,
        message: str,
        reason: str,
        headers: tuple[tuple[str, str], ...] = (),
    ) -> None:
        super().__init__(message)
        self.http_status = http_status
        self.message = message
        self.reason = reason
        self.headers = headers


def parse_request(path: str) -> Opening:
    """The parameters in a request target such as ``/?downsample=True&sampleRate=16000``.

    Raises `RequestError`, and nothing else for any string: 404 for a path other than ``/``, 400
    for a parameter that is unknown, repeated or has a bad value.
    """
    location, _, query = path.partition("?")
    if location != "/":
        raise RequestError(
            404, f"there is nothing at {messages.quoted(location)}, connect to /", "path"
        )
    given = _split_query(query)
    downsample = _boolean(given, "downsample")
    sample_rate_hz = _sample_rate_hz(given)
    if sample_rate_hz != DEFAULT_SAMPLE_RATE_HZ and not downsample:
        raise _bad_parameter(
            f"sampleRate={sample_rate_hz} needs downsample=True, "
            f"without it the rate is {DEFAULT_SAMPLE_RATE_HZ}"
        )
    parameters = Parameters(sample_rate_hz=sample_rate_hz, text2int=_boolean(given, "text2int"))
    session, last_message_id = given.get(SESSION), given.get(LAST_MESSAGE)
    if session == "":
        raise _bad_parameter(f"{SESSION} must be {NEW}, or what a ready message had as {SESSION}")
    if last_message_id is not None and session in {None, NEW}:
        raise _bad_parameter(f"{LAST_MESSAGE} needs the {SESSION} that the message was of")
    return Opening(parameters, given.get(API_KEY), session, last_message_id)


def query_of(parameters: Parameters) -> str:
    """The query that asks for these parameters."""
    return f"?downsample=True&sampleRate={parameters.sample_rate_hz}&text2int={parameters.text2int}"


def error_body(status_code: int, message: str) -> bytes:
    """The JSON body of a refusal, in the form of every other error: ``status, info, msgId``.

    ``status`` is the name of the HTTP status, such as ``bad_request`` for 400.
    """
    return messages.status(HTTPStatus(status_code).name.lower(), message)


def max_message_bytes(sample_rate_hz: int) -> int:
    """The largest message of audio in bytes: 128 ms, and whole 16-bit samples (protocol line 7)."""
    return 2048 * sample_rate_hz // 8000 & ~1


def _split_query(query: str) -> dict[str, str]:
    """The query's parameters by name, percent-decoded after they are told apart (RFC 3986, 2.4).

    Empty ones (``/?``, ``a=1&``) say nothing and are skipped.
    """
    given: dict[str, str] = {}
    for piece in filter(None, query.split("&")):
        raw_name, separator, raw_value = piece.partition("=")
        name = _decode(raw_name)
        if name not in _NAMES:
            raise _bad_parameter(_unknown_name(name))
        if not separator:
            raise _bad_parameter(f"parameter {name} has no value, write {name}=...")
        if name in given:
            raise _bad_parameter(f"parameter {name} is given more than once, give it once")
        given[name] = _decode(raw_value, secret_of=name if name in _SECRETS else "")
    return given


def _decode(raw: str, *, secret_of: str = "") -> str:
    try:
        return unquote(raw, errors="strict")
    except UnicodeDecodeError:
        shown = f"the value of {secret_of}" if secret_of else messages.quoted(raw)
        raise _bad_parameter(f"{shown} is not percent-encoded UTF-8") from None


def _unknown_name(name: str) -> str:
    unknown = f"unknown parameter {messages.quoted(name)}"
    for known in _NAMES:
        if name.casefold() == known.casefold():
            return f"{unknown}, names are case-sensitive: write {known}"
    return f"{unknown}, the parameters are {', '.join(_NAMES)}"


def _boolean(given: dict[str, str], name: str) -> bool:
    value = given.get(name, "false")
    try:
        return _BOOLEANS[value.lower()]
    except KeyError:
        raise _bad_parameter(
            f"{name} must be True or False, not {messages.quoted(value)}"
        ) from None


def _sample_rate_hz(given: dict[str, str]) -> int:
    value = given.get("sampleRate", str(DEFAULT_SAMPLE_RATE_HZ))
    if _INTEGER.fullmatch(value) and MIN_SAMPLE_RATE_HZ <= int(value) <= MAX_SAMPLE_RATE_HZ:
        return int(value)
    raise _bad_parameter(
        f"sampleRate must be a whole number of Hz from {MIN_SAMPLE_RATE_HZ} "
        f"to {MAX_SAMPLE_RATE_HZ}, not {messages.quoted(value)}"
    )


def _bad_parameter(message: str) -> RequestError:
    return RequestError(400, message, "parameter")
