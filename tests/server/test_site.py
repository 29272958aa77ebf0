"""What plain HTTP requests are answered with, whatever they ask for."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server import site
from server.site import Answer, Request, Site, console_pages, is_websocket, json_answer

PAGES = console_pages()
CONSOLE = Path(site.__file__).parent / "console"
SITE = Site(PAGES | {"/healthz": lambda: json_answer(200, {"status": "ok"})})
TYPES = {
    "/": "text/html; charset=utf-8",
    "/status": "text/html; charset=utf-8",
    "/console/app.js": "text/javascript; charset=utf-8",
    "/console/look.css": "text/css; charset=utf-8",
    "/console/mark.svg": "image/svg+xml",
}


def get(target: str, if_none_match: str = "") -> Answer:
    return SITE.answer(Request("GET", target, if_none_match))


def headers(answer: Answer) -> dict[str, str]:
    assert len(dict(answer.headers)) == len(answer.headers), "no header twice"
    return dict(answer.headers)


@pytest.mark.parametrize(("target", "content_type"), TYPES.items())
def test_a_page_has_its_type_and_whoever_asks_again_gets_none(
    target: str, content_type: str
) -> None:
    found = get(target)
    assert (found.status, found.content_type) == (200, content_type)
    assert found.body
    etag = headers(found)["ETag"]
    assert headers(found)["Cache-Control"] == "no-cache"
    for given_tags in (etag, f'"other", W/{etag}', "*"):
        again = get(target, given_tags)
        assert (again.status, again.body, headers(again)["ETag"]) == (304, b"", etag)
    for given_tags in ('"other"', "", etag.strip('"'), f"{etag}x"):
        assert get(target, given_tags) == found


def test_a_query_is_no_part_of_the_page() -> None:
    assert get("/?sampleRate=16000&x=../..") == get("/")


@pytest.mark.parametrize("target", ["/", "/nowhere", "/healthz"])
def test_every_answer_is_under_the_policy(target: str) -> None:
    given_headers = headers(get(target))
    policy = dict(
        part.split(" ", 1) for part in given_headers["Content-Security-Policy"].split("; ")
    )
    assert policy["default-src"] == "'none'"
    assert set(policy.values()) <= {"'none'", "'self'"}
    assert given_headers["X-Content-Type-Options"] == "nosniff"
    assert given_headers["Referrer-Policy"] == "no-referrer"


def test_an_answer_that_is_only_true_now_is_not_kept() -> None:
    assert headers(get("/healthz"))["Cache-Control"] == "no-store"
    assert get("/healthz", "*").status == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "TRACE", "get", ""])
def test_other_methods_are_told_which_are_right(method: str) -> None:
    refused = SITE.answer(Request(method, "/"))
    assert refused.status == 405
    assert headers(refused)["Allow"] == "GET, HEAD"
    assert "GET or HEAD" in json.loads(refused.body)["info"]


def test_an_unknown_page_is_told_which_there_are() -> None:
    refused = get("/asr")
    assert (refused.status, refused.content_type) == (404, "application/json")
    assert json.loads(refused.body)["info"] == (
        "there is nothing at '/asr': the pages are /, /healthz, /status"
    )


@pytest.mark.parametrize(
    "target",
    [
        "/console", "/console/", "/console/../site.py", "/console/%2e%2e/site.py", "",
        "//console/app.js", "/console/app.js/", "/console/./app.js", "/console/app.JS", "*",
        "/console/index.html", "../site.py", "/etc/passwd", "/console//app.js",
        "/console/app.js%00", "http://host/",
    ],
)  # fmt: skip
def test_nothing_but_the_known_names_is_found(target: str) -> None:
    assert get(target).status == 404


@given(target=st.text(), method=st.sampled_from(["GET", "HEAD"]), tags=st.text())
def test_any_target_is_answered(target: str, method: str, tags: str) -> None:
    found = SITE.answer(Request(method, target, tags))
    known = target.partition("?")[0] in {*PAGES, "/healthz"}
    assert found.status in ({200, 304} if known else {404})


def test_pages_ask_for_nothing_from_elsewhere_and_hold_no_code() -> None:
    """What the policy would refuse is not in them."""
    for name in ("index.html", "status.html"):
        text = (CONSOLE / name).read_text()
        for address in re.findall(r'(?:href|src)="([^"]*)"', text):
            assert address.startswith("#") or address in PAGES, address
        assert not re.search(r"\sstyle=|\son\w+=|<style|<script(?![^>]*\ssrc=)", text)
    for path in (*CONSOLE.glob("*.js"), *CONSOLE.glob("*.css")):
        text = path.read_text()
        assert not re.search(r"https?://\w|@import|url\(|eval\(|innerHTML", text), path.name
        for module in re.findall(r'from "\./([^"]+)"', text):
            assert f"/console/{module}" in PAGES


def test_every_element_that_the_scripts_name_is_on_their_page() -> None:
    for script, page in (("app.js", "index.html"), ("status.js", "status.html")):
        used = re.findall(r'byId\("([\w-]+)"\)', (CONSOLE / script).read_text())
        given_ids = re.findall(r'id="([\w-]+)"', (CONSOLE / page).read_text())
        assert used
        assert set(used) <= set(given_ids)
        assert len(set(given_ids)) == len(given_ids)


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["Upgrade", "Connection"], True),
        (["sec-websocket-key"], True),
        (["Sec-WebSocket-Version"], True),
        (["Connection", "Accept", "X-Upgrade"], False),
        ([], False),
    ],
)
def test_a_websocket_is_known_by_any_of_its_headers(names: list[str], expected: bool) -> None:
    assert is_websocket([(name, "") for name in names]) is expected
