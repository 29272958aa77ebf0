"""Opens a connection that is ready for audio, or says why there is none."""

from __future__ import annotations

import asyncio
import json
from http import HTTPStatus
from typing import Any, Final

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus, WebSocketException
from websockets.http11 import Response

from realtime_client.errors import ProtocolError, Refused, ServerError, Unreachable
from realtime_client.messages import READY, Notice, Session, parse
from realtime_client.settings import Settings

PING_INTERVAL_S: Final = 20
PING_TIMEOUT_S: Final = 60
"""A server that is busy with what it has taken reads no further: it may answer late."""
CLOSE_TIMEOUT_S: Final = 10
"""How long a server that has closed may leave the line open."""


async def open_connection(
    settings: Settings, token: str | None = None, last_message_id: str | None = None
) -> tuple[ClientConnection, Session | None]:
    """A connection whose ``ready`` has come, and the session that the server keeps, if it does.

    With ``token`` that is the one of an earlier connection, of which ``last_message_id`` came last.

    Raises:
        Refused: the server answered with an HTTP status.
        ServerError: it answered with something else than ``ready``.
        Unreachable: there is no such server, or it did not answer in time.
        ProtocolError: it is a server of another kind.
    """
    try:
        async with asyncio.timeout(settings.open_timeout_s):
            return await _ready(settings, settings.target(token, last_message_id))
    except TimeoutError:
        cause = f"no answer within {settings.open_timeout_s:g} s"
    except InvalidStatus as refusal:
        raise _refused(refusal.response) from None
    except (OSError, WebSocketException) as error:
        cause = str(error)
    raise Unreachable(f"cannot connect to {settings.url}: {cause}")


def is_worth_another_try(error: Refused | Unreachable) -> bool:
    """Whether the reason may go away by itself: a full server, or one that is being restarted."""
    if isinstance(error, Unreachable):
        return True
    return error.status_code == HTTPStatus.TOO_MANY_REQUESTS or error.status_code >= 500


def is_session_gone(error: Refused) -> bool:
    """Whether the server has no such session any more, or has it with other parameters."""
    return error.status_code in {HTTPStatus.GONE, HTTPStatus.CONFLICT}


async def _ready(settings: Settings, target: str) -> tuple[ClientConnection, Session | None]:
    tls: dict[str, Any] = {} if settings.ssl is None else {"ssl": settings.ssl}
    connection = await connect(
        target,
        additional_headers=settings.headers,
        compression=None,  # audio does not shrink
        max_queue=None,  # results are small, and are taken also while nobody looks at them
        open_timeout=None,
        close_timeout=CLOSE_TIMEOUT_S,
        ping_interval=PING_INTERVAL_S,
        ping_timeout=PING_TIMEOUT_S,
        **tls,
    )
    try:
        greeting = parse(await connection.recv())
        if not isinstance(greeting, Notice):
            raise ProtocolError("the first message is not ready but a hypothesis")
        if greeting.status != READY:
            raise ServerError(greeting.status, greeting.info)
    except BaseException:
        connection.transport.abort()
        raise
    return connection, greeting.session


def _refused(response: Response) -> Refused:
    retry_after = response.headers.get("Retry-After", "")  # a date is possible, and rare
    return Refused(
        response.status_code,
        _reason(response),
        int(retry_after) if retry_after.isdecimal() else None,
    )


def _reason(response: Response) -> str:
    """What the body says, where it is JSON as this server's; or else the status in words."""
    try:
        info = json.loads(response.body or b"")["info"]
    except (ValueError, TypeError, KeyError, RecursionError):
        return response.reason_phrase
    return info if isinstance(info, str) else response.reason_phrase
