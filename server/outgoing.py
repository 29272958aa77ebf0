"""What a connection writes besides what the library makes, as bytes. Pure.

Frames of our own making, since results are still sent once the client's close has arrived; and HTTP
answers that are the last of their connection, since a server that is full must refuse cheaply.
"""

from __future__ import annotations

from email.utils import formatdate
from http import HTTPStatus

from websockets.frames import Close, Frame, Opcode
from websockets.http11 import Response

from server.handshake import error_body
from server.session import Closing
from server.site import JSON, Answer


def text_frame(message: bytes) -> bytes:
    """A message in UTF-8."""
    return Frame(Opcode.TEXT, message).serialize(mask=False)


def close_frame(closing: Closing) -> bytes:
    """The end, with its code and reason."""
    close = Close(closing.code, closing.reason)
    return Frame(Opcode.CLOSE, close.serialize()).serialize(mask=False)


def is_close(reply: bytes) -> bool:
    """Whether the library's reply is a close frame; each is a frame, or empty for the end."""
    return reply[:1] == bytes([0x80 | Opcode.CLOSE])


def refusal(status: int, info: str, more: tuple[tuple[str, str], ...] = ()) -> bytes:
    """An HTTP answer that says in JSON what would be right, with ``more`` headers."""
    body = error_body(status, info)
    headers = [("Date", formatdate(usegmt=True)), ("Connection", "close"), ("Content-Type", JSON)]
    headers.append(("Content-Length", str(len(body))))
    names = {name for name, _ in headers}
    headers += (pair for pair in more if pair[0] not in names)
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers)
    return f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\n{lines}\r\n".encode() + body


def page_response(plain: Response, answer: Answer, *, with_body: bool) -> Response:
    """The library's ``plain`` response of the same status, with a page in it.

    Without the body, as HEAD asks for, it still has the page's headers.
    """
    headers = plain.headers
    del headers["Content-Type"], headers["Content-Length"]
    headers["Content-Type"] = answer.content_type
    if answer.status != HTTPStatus.NOT_MODIFIED:  # its length would be the page's
        headers["Content-Length"] = str(len(answer.body))
    for name, value in answer.headers:
        if name not in headers:
            headers[name] = value
    body = answer.body if with_body else b""
    return Response(plain.status_code, plain.reason_phrase, headers, body)
