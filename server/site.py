"""What a plain HTTP request is answered with: the console, and what else the frontend adds.

Pure. Everything is in memory before the first request: a page is one look-up in a table by the
whole path, so no file name is ever made of what a client wrote, and nothing is read from disk while
streams are served. Every answer is small (`MAX_BODY_BYTES`), and the connection ends with it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from importlib.resources import files
from typing import Final

from server import messages

MAX_BODY_BYTES: Final = 1 << 20
METHODS: Final = ("GET", "HEAD")

HTML: Final = "text/html; charset=utf-8"
JSON: Final = "application/json"
_TYPES: Final = {
    "html": HTML,
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}
_STATUS: Final = "/status"
_PAGES: Final = {"/": "index.html", _STATUS: "status.html"}
_FOLDER: Final = "console"

CONTENT_SECURITY_POLICY: Final = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
_ALWAYS: Final = (
    ("Content-Security-Policy", CONTENT_SECURITY_POLICY),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Permissions-Policy", "camera=(), geolocation=(), microphone=(self)"),
    ("Referrer-Policy", "no-referrer"),
    ("X-Content-Type-Options", "nosniff"),
)


@dataclass(frozen=True, slots=True)
class Answer:
    """One HTTP response. ``headers`` are those besides date, connection, length and type."""

    status: int
    content_type: str
    body: bytes
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Request:
    """What an answer may depend on; ``if_none_match`` as the header has it, or empty."""

    method: str
    target: str
    if_none_match: str = ""


Page = Callable[[], Answer]


class Site:
    """Answers by path. The same for every connection of a process."""

    def __init__(self, pages: Mapping[str, Page]) -> None:
        self._pages = dict(pages)

    def answer(self, request: Request) -> Answer:
        """The response to ``request``; for an unknown one too, so it raises nothing."""
        if request.method not in METHODS:
            answer = _error(405, f"use GET or HEAD, not {messages.quoted(request.method)}")
            answer = replace(answer, headers=(("Allow", ", ".join(METHODS)),))
        else:
            answer = self._found(request)
        assert len(answer.body) <= MAX_BODY_BYTES, "what a connection may hold is bounded"
        return replace(answer, headers=(*answer.headers, *_ALWAYS))

    def _found(self, request: Request) -> Answer:
        path = request.target.partition("?")[0]
        page = self._pages.get(path)
        if page is None:
            shown = ", ".join(sorted(path for path in self._pages if "." not in path))
            return _error(
                404, f"there is nothing at {messages.quoted(path)}: the pages are {shown}"
            )
        answer = page()
        etag = dict(answer.headers).get("ETag")
        if etag is not None and _matches(request.if_none_match, etag):
            return replace(answer, status=304, body=b"")
        return answer


def console_pages(*, public: bool = False) -> dict[str, Page]:
    """The files of the console by the paths that they are served at, read once.

    If ``public``, without the page for operators.
    """
    folder = files("server") / _FOLDER
    names = {f"/{_FOLDER}/{entry.name}": entry.name for entry in folder.iterdir()}
    pages: dict[str, Page] = {}
    for path, name in {**names, **_PAGES}.items():
        content_type = _TYPES.get(name.rpartition(".")[2])
        if content_type is not None and (path in _PAGES or content_type != HTML):
            pages[path] = _constant(content_type, (folder / name).read_bytes())
    if public:
        del pages[_STATUS]
    return pages


def json_answer(status: int, content: Mapping[str, object]) -> Answer:
    """A JSON object that is never cached."""
    return fresh_answer(status, JSON, json.dumps(content).encode())


def fresh_answer(status: int, content_type: str, body: bytes) -> Answer:
    """An answer that is only true now."""
    return Answer(status, content_type, body, (("Cache-Control", "no-store"),))


def is_websocket(headers: Iterable[tuple[str, str]]) -> bool:
    """Whether a request wants to become a WebSocket, however badly it asks.

    One whose ``Upgrade`` a proxy has dropped still has its key, and is told about the upgrade
    instead of being sent a page.
    """
    names = {name.lower() for name, _ in headers}
    return bool(names & {"upgrade", "sec-websocket-key", "sec-websocket-version"})


def _constant(content_type: str, body: bytes) -> Page:
    """A page that changes with the program only: caches ask again, and mostly hear 304."""
    etag = f'"{hashlib.sha256(body).hexdigest()[:24]}"'
    answer = Answer(200, content_type, body, (("ETag", etag), ("Cache-Control", "no-cache")))
    return lambda: answer


def _error(status: int, message: str) -> Answer:
    return Answer(status, JSON, messages.status(_NAMES[status], message))


_NAMES: Final = {404: "not_found", 405: "method_not_allowed"}


def _matches(if_none_match: str, etag: str) -> bool:
    """RFC 9110, 13.1.2: weak comparison with each of a list, or ``*``."""
    given = [tag.strip().removeprefix("W/") for tag in if_none_match.split(",")]
    return etag in given or given == ["*"]
