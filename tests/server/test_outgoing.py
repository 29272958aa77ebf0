"""Bytes that go out: read back by the library's own parsers."""

from __future__ import annotations

import json
from http import HTTPStatus

import pytest
from websockets.datastructures import Headers
from websockets.frames import Close, Frame, Opcode
from websockets.http11 import Response
from websockets.streams import StreamReader

from server.outgoing import close_frame, is_close, page_response, refusal, text_frame
from server.session import Closing
from server.site import Answer


def frame_of(data: bytes) -> Frame:
    reader = StreamReader()
    reader.feed_data(data)
    reader.feed_eof()
    parsing = Frame.parse(reader.read_exact, mask=False)
    with pytest.raises(StopIteration) as stopped:
        next(parsing)
    frame: Frame = stopped.value.value
    return frame


def response_of(data: bytes) -> Response:
    reader = StreamReader()
    reader.feed_data(data)
    reader.feed_eof()
    parsing = Response.parse(reader.read_line, reader.read_exact, reader.read_to_eof)
    with pytest.raises(StopIteration) as stopped:
        next(parsing)
    response: Response = stopped.value.value
    return response


def test_a_text_frame() -> None:
    frame = frame_of(text_frame("größe".encode()))
    assert (frame.opcode, frame.fin, bytes(frame.data).decode()) == (Opcode.TEXT, True, "größe")


def test_a_close_frame_has_code_and_reason() -> None:
    sent = close_frame(Closing(1009, "message too big"))
    frame = frame_of(sent)
    assert frame.opcode is Opcode.CLOSE
    assert Close.parse(bytes(frame.data)) == Close(1009, "message too big")
    assert is_close(sent)
    assert not is_close(text_frame(b"no"))
    assert not is_close(b"")


@pytest.mark.parametrize("status", [400, 408, 431, 503])
def test_a_refusal_is_a_whole_answer(status: int) -> None:
    response = response_of(refusal(status, "do it so", (("Retry-After", "5"),)))
    assert response.status_code == status
    assert response.reason_phrase == HTTPStatus(status).phrase
    assert response.headers["Retry-After"] == "5"
    assert response.headers["Connection"] == "close"
    assert json.loads(response.body or b"")["info"] == "do it so"


def test_headers_of_our_own_are_not_said_twice() -> None:
    response = response_of(refusal(426, "upgrade", (("Connection", "Upgrade"), ("Upgrade", "x"))))
    assert response.headers.get_all("Connection") == ["close"]
    assert response.headers["Upgrade"] == "x"


def plain(status: int) -> Response:
    headers = Headers([("Date", "now"), ("Content-Type", "text/plain"), ("Content-Length", "0")])
    return Response(status, HTTPStatus(status).phrase, headers, b"")


def test_a_page_in_the_library_s_response() -> None:
    answer = Answer(200, "text/html", b"<p>hello", (("ETag", '"1"'), ("Date", "then")))
    response = page_response(plain(200), answer, with_body=True)
    assert response.body == b"<p>hello"
    assert dict(response.headers.raw_items()) == {
        "Date": "now", "Content-Type": "text/html", "Content-Length": "8", "ETag": '"1"',
    }  # fmt: skip


def test_a_page_without_its_body_has_its_length_unless_it_has_not_changed() -> None:
    answer = Answer(200, "text/html", b"<p>hello", ())
    without = page_response(plain(200), answer, with_body=False)
    assert (without.body, without.headers["Content-Length"]) == (b"", "8")
    unchanged = page_response(plain(304), Answer(304, "text/html", b"", ()), with_body=True)
    assert "Content-Length" not in unchanged.headers
