"""The console in a real browser against the real server: what is spoken is read on the page.

With CONSOLE_SCREENSHOTS=1 in the environment it also writes the pictures in docs/images/.
"""

from __future__ import annotations

import difflib
import json
import os
import re
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from realtime_client.messages import Word
from realtime_client.subtitles import to_srt
from server.api_keys import KEYS_VARIABLE
from tests.conformance.client import Client
from tests.conformance.conftest import echo_flags
from tests.conformance.server_process import HOST, ROOT, ServerProcess, free_port
from tests.conformance.spelling import RATE_HZ, numbered_words, silence, spell
from tests.conformance.test_pages import pid_of
from tests.conformance.waiting import wait_until
from tests.console.breaking_line import BreakingLine
from tests.console.browser import Browser
from tests.console.conftest import OpenBrowser, speech_file, transcript_of

pytestmark = pytest.mark.server

SHORT = "1272-128104-0000"  # 6 s
CLIPS_SHOWN = ("2086-149220-0025", SHORT)
IMAGES = ROOT / "docs" / "images"
ENOUGH_ALIKE = 0.8
STATE = "document.querySelector('#state').dataset.state"
WORDS = "document.querySelectorAll('#utterances .word').length"
SETTLED = f"{WORDS} > 5 && !document.querySelector('#utterances [data-open]')"


@pytest.fixture
def console(open_browser: OpenBrowser, console_server: ServerProcess) -> Browser:
    """The console without a word said."""
    browser = open_browser()
    browser.size(1280, 800)
    browser.open(address_of(console_server))
    return browser


def address_of(server: ServerProcess, path: str = "/") -> str:
    return server.url.replace("ws", "http", 1) + path


def words_shown(browser: Browser) -> list[str]:
    listed = "[...document.querySelectorAll('#utterances .word')].map((w) => w.textContent)"
    return [str(word) for word in browser.run(listed)]


def check_alike(found: list[str], expected: list[str]) -> None:
    alike = difflib.SequenceMatcher(None, found, expected, autojunk=False).ratio()
    assert alike >= ENOUGH_ALIKE, f"{' '.join(found)!r} is not {' '.join(expected)!r}"


def hear_file(browser: Browser, path: Path, *, pace: str = "fast") -> None:
    """A file through the page, from choosing it until its last final."""
    browser.run(f"document.querySelector('#pace').value = '{pace}'")
    browser.choose_file("#file", path)
    browser.until(f"{STATE} === 'done'")


# -- words


def test_what_the_microphone_hears_is_read_while_it_is_spoken(
    open_browser: OpenBrowser, console_server: ServerProcess, tmp_path: Path
) -> None:
    browser = open_browser(speech_file(tmp_path, *CLIPS_SHOWN))
    browser.size(1280, 800)
    browser.colours("light")
    browser.open(address_of(console_server))
    expected = [word for clip in CLIPS_SHOWN for word in transcript_of(clip)]

    browser.click("#microphone")
    browser.until(f"{STATE} === 'live'")
    browser.until("document.querySelector('#utterances .word[data-open]')")
    assert browser.text("#microphone-label") == "Stop"
    assert browser.run("document.querySelector('#settings-fields').disabled")
    browser.until("Number(document.querySelector('#level').ariaValueNow) > -60")
    take_pictures(browser)
    browser.until(f"{WORDS} >= {len(expected) - 3}")
    browser.until(SETTLED)
    assert re.fullmatch(r"\d+ ms|\d+\.\d\d s", browser.text("#figure-latency"))

    browser.click("#microphone")
    browser.until(f"{STATE} === 'done'")
    check_alike(words_shown(browser), expected)
    assert re.fullmatch(r"\d+ ms|\d+\.\d\d s", browser.text("#figure-final"))
    assert browser.text("#announcer") == browser.text("#utterances .utterance:last-child p")
    assert browser.complaints() == []


def take_pictures(browser: Browser) -> None:
    """For the README; only when asked, so that tests leave the working tree as it was."""
    if not os.environ.get("CONSOLE_SCREENSHOTS"):
        return
    IMAGES.mkdir(exist_ok=True)
    browser.until("document.querySelector('.utterance ~ .utterance .word[data-open]')")
    browser.screenshot(IMAGES / "console-light.png")
    browser.size(360, 740, scale=2, phone=True)
    browser.run("document.querySelector('#transcript').scrollTop = 1e6")
    browser.screenshot(IMAGES / "console-phone.png")
    browser.size(1280, 800)
    browser.colours("dark")
    browser.run("new Promise((done) => setTimeout(done, 300))")  # colours fade into each other
    browser.screenshot(IMAGES / "console-dark.png")
    browser.colours("light")


def test_a_file_is_heard_and_taken_along_as_text_json_and_subtitles(
    console: Browser, tmp_path: Path
) -> None:
    console.downloads_to(tmp_path)
    hear_file(console, speech_file(tmp_path, SHORT))
    check_alike(words_shown(console), transcript_of(SHORT))

    for kind in ("text", "json", "srt"):
        console.click(f"#save-{kind}")
    names = [tmp_path / f"transcript.{suffix}" for suffix in ("txt", "json", "srt")]
    wait_until(lambda: all(path.exists() for path in names), "the downloads are there")
    console.command("Browser.grantPermissions", permissions=["clipboardReadWrite"])
    console.click("#copy")
    console.until("document.querySelector('#state').textContent === 'Copied'")
    text, data, srt = (path.read_text() for path in names)
    assert text.split() == words_shown(console)
    assert console.run("navigator.clipboard.readText()") == text
    utterances = json.loads(data)["utterances"]
    assert " ".join(utterance["text"] for utterance in utterances).split() == text.split()
    assert srt == to_srt([words_of(utterance) for utterance in utterances])
    assert console.complaints() == []


def words_of(utterance: dict[str, Any]) -> list[Word]:
    """Words as the Python client has them: both write the same subtitles."""
    return [
        Word(word["text"], word["confidence"], word["start"], word["end"], is_stable=True)
        for word in utterance["words"]
    ]


def test_words_that_are_taken_back_are_not_left_on_the_page(console: Browser) -> None:
    """Neither while the stream goes on nor, as if they had been said, when it is over."""
    shown = console.run("""
        import("/console/transcript.js").then(({ Transcript }) => {
          const transcript = new Transcript(document.getElementById("transcript"));
          const rows = () => document.querySelectorAll("#utterances > *").length;
          const word = { text: "foxtrot", confidence: 0.5, start: 0, end: 400, intermed: true };
          transcript.show({ text: word.text, confidence: 0.5, isFinal: false, words: [word] });
          const before = rows();
          transcript.show({ text: "", confidence: 0, isFinal: false, words: [] });
          transcript.abandonOpen();
          return [before, rows(), transcript.utterances.length];
        })
    """)
    assert shown == [1, 0, 0]


@pytest.mark.parametrize("rate_hz", [8000, 44100])
def test_every_rate_is_understood(console: Browser, tmp_path: Path, rate_hz: int) -> None:
    console.run(f"document.querySelector('#rate').value = '{rate_hz}'")
    hear_file(console, speech_file(tmp_path, SHORT))
    check_alike(words_shown(console), transcript_of(SHORT))
    assert console.complaints() == []


def test_two_streams_make_one_transcript_with_one_clock(console: Browser, tmp_path: Path) -> None:
    path = speech_file(tmp_path, SHORT)
    hear_file(console, path)
    first = words_shown(console)
    console.run("document.querySelector('#state').dataset.state = 'idle'")
    hear_file(console, path)
    assert words_shown(console) == first * 2
    times = console.run(
        "[...document.querySelectorAll('#utterances time')].map((t) => t.textContent)"
    )
    assert times == sorted(times)
    assert len(set(times)) == len(times)


# -- without a pointer


def test_everything_is_within_reach_of_the_keyboard(console: Browser, tmp_path: Path) -> None:
    hear_file(console, speech_file(tmp_path, SHORT))
    console.run("document.activeElement.blur()")
    visited = []
    for _ in range(20):
        console.press("Tab")
        visited.append(
            console.run("document.activeElement.id || document.activeElement.textContent")
        )
        outline = console.run("getComputedStyle(document.activeElement).outlineStyle")
        assert outline != "none", f"the focus on {visited[-1]} shows"
        if "digits" in visited:
            break
    assert visited[0] == "Skip to the transcript"
    wanted = [
        "transcript",
        "copy",
        "save-srt",
        "clear",
        "microphone",
        "open-file",
        "rate",
        "digits",
    ]
    assert [name for name in visited if name in wanted] == wanted


def test_words_tell_their_time_and_confidence_to_the_keyboard(
    console: Browser, tmp_path: Path
) -> None:
    hear_file(console, speech_file(tmp_path, SHORT))
    console.run("document.querySelector('#transcript').focus()")
    console.press("ArrowRight")
    console.press("ArrowRight")
    assert console.run("document.activeElement.textContent") == words_shown(console)[1]
    shown = re.compile(r"0:0\d\.\d\d to 0:0\d\.\d\d · \d+ % sure")
    assert shown.fullmatch(console.text("#tip"))
    assert shown.fullmatch(console.run("document.activeElement.getAttribute('aria-description')"))
    console.press("End")
    assert console.run("document.activeElement.textContent") == words_shown(console)[-1]
    console.press("Escape")
    assert console.run("document.querySelector('#tip').hidden")


def test_settings_are_changed_by_keyboard(console: Browser) -> None:
    console.run("document.querySelector('#digits').focus()")
    console.press(" ")
    assert console.text("#url").endswith("/?downsample=True&sampleRate=16000&text2int=True")
    console.click("#microphone")
    console.until(f"{STATE} === 'live'")
    console.click("#microphone")
    console.until(f"{STATE} === 'done'")


def test_a_stream_starts_and_stops_by_keyboard(console: Browser) -> None:
    console.run("document.querySelector('#microphone').focus()")
    console.press("Enter")
    console.until(f"{STATE} === 'live'")
    console.press(" ")
    console.until(f"{STATE} === 'done'")
    assert console.run("document.activeElement.id") in {"microphone", ""}


def test_nothing_is_cut_off_on_a_phone(console: Browser) -> None:
    console.size(360, 740, scale=2, phone=True)
    for path in ("/", "/status"):
        console.run(f"location.pathname !== '{path}' && location.assign('{path}')")
        console.until(f"location.pathname === '{path}' && document.readyState === 'complete'")
        assert console.run("document.documentElement.scrollWidth") == 360
        cut_off = console.run(
            "[...document.querySelectorAll('button, a, select, dd')].filter((e) => "
            "e.offsetParent && !e.closest('.skip, .scroll') && e.scrollWidth > e.clientWidth + 1"
            ").map((e) => e.outerHTML)"
        )
        assert cut_off == []


# -- when it does not go well


def test_a_full_server_is_told_in_words(console: Browser, console_server: ServerProcess) -> None:
    with Client(console_server.url), Client(console_server.url):
        console.click("#microphone")
        console.until("!document.querySelector('#notice').hidden")
        assert console.text("#notice-text") == (
            "All 2 streams of this server are in use. Try again in a moment."
        )
        assert console.run(STATE) == "idle"
    console.click("#notice-close")
    assert console.run("document.querySelector('#notice').hidden")


def test_a_connection_that_is_lost_is_told_in_words(
    open_browser: OpenBrowser, tmp_path: Path
) -> None:
    browser = open_browser()
    keeps_none = {"REALTIME_ENGINE_KEEP_SESSION_S": "0"}
    with ServerProcess(*echo_flags(), environment=keeps_none) as server:
        browser.open(address_of(server))
        browser.click("#microphone")
        browser.until(f"{STATE} === 'live'")
        os.kill(pid_of(server, "server.frontend"), signal.SIGKILL)
        browser.until("!document.querySelector('#notice').hidden")
        assert "was lost" in browser.text("#notice-text")
        assert browser.text("#microphone-label") == "Start microphone"


def test_a_violation_of_the_policy_would_be_noticed(console: Browser) -> None:
    assert console.complaints() == []
    console.run("document.body.setAttribute('style', 'color: red')")
    wait_until(lambda: console.complaints() != [], "the browser complains")


def test_a_file_that_is_no_audio_is_told_in_words(console: Browser, tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("no sound")
    console.choose_file("#file", path)
    console.until("!document.querySelector('#notice').hidden")
    assert "cannot read notes.txt as audio" in console.text("#notice-text")
    assert not console.run("document.querySelector('#open-file').disabled")
    assert console.complaints() == []


def test_a_server_that_stops_is_told_in_words(open_browser: OpenBrowser) -> None:
    browser = open_browser()
    with ServerProcess(*echo_flags()) as server:
        browser.open(address_of(server))
        browser.click("#microphone")
        browser.until(f"{STATE} === 'live'")
    browser.until("!document.querySelector('#notice').hidden")
    assert "The server is stopping" in browser.text("#notice-text")
    browser.click("#microphone")
    browser.until("document.querySelector('#notice-text').textContent.includes('be reached')")


def test_a_page_that_is_for_operators_alone_is_not_offered(
    open_browser: OpenBrowser, console: Browser
) -> None:
    assert not console.run("document.querySelector('#status-link').hidden")
    browser = open_browser()
    with ServerProcess(*echo_flags(), "--operator-address", f"{HOST}:{free_port()}") as server:
        browser.open(address_of(server))
        browser.until("document.querySelector('#status-link').hidden")


def test_a_server_that_needs_a_key_says_so_and_takes_it(
    open_browser: OpenBrowser, tmp_path: Path
) -> None:
    browser = open_browser()
    key = "a-key-of-the-server"
    with ServerProcess(*echo_flags(), environment={KEYS_VARIABLE: key}) as server:
        browser.open(address_of(server))
        for typed, said in (("", "needs an API key"), ("some-other-key", "may be wrong")):
            type_key(browser, typed)
            browser.click("#microphone")
            browser.until("!document.querySelector('#notice').hidden")
            assert said in browser.text("#notice-text")
            browser.click("#notice-close")
        type_key(browser, key)
        browser.click("#microphone")
        browser.until(f"{STATE} === 'live'")
        assert key not in browser.text("#url")
        browser.open(address_of(server))
        assert browser.run("document.querySelector('#key').value") == key
        assert not any("Content Security" in complaint for complaint in browser.complaints())


def type_key(browser: Browser, key: str) -> None:
    browser.run(
        f"document.querySelector('#key').value = '{key}';"
        "document.querySelector('#key').dispatchEvent(new Event('change'))"
    )


def spelled_file(folder: Path, text: str) -> Path:
    path = folder / "spelled.wav"
    soundfile.write(path, np.concatenate([spell(text), silence(0.5)]), RATE_HZ, subtype="PCM_16")
    return path


@pytest.mark.parametrize("when", ["while words are sent", "while the last final is awaited"])
def test_a_stream_goes_on_when_the_line_was_broken(
    open_browser: OpenBrowser, tmp_path: Path, when: str
) -> None:
    browser = open_browser()
    words = numbered_words(0, 24)  # 5 s
    with ServerProcess(*echo_flags()) as server, BreakingLine(server.port) as line:
        browser.open(line.url.replace("ws", "http", 1) + "/")
        browser.run("document.querySelector('#pace').value = 'spoken'")
        browser.choose_file("#file", spelled_file(tmp_path, words))
        sent = "document.querySelector('#figure-audio').textContent"
        browser.until(f"{sent} >= '0:0{2 if when == 'while words are sent' else 5}'")
        line.break_()
        browser.until("document.querySelector('#state').textContent === 'Connecting again'")
        line.mend()
        browser.until(f"{STATE} === 'done'")
        assert words_shown(browser) == words.split()
        assert browser.run("document.querySelector('#notice').hidden")


def test_a_stream_goes_on_when_its_frontend_died(open_browser: OpenBrowser, tmp_path: Path) -> None:
    browser = open_browser()
    words = numbered_words(0, 24)  # 5 s
    with ServerProcess(*echo_flags()) as server:
        browser.open(address_of(server))
        browser.run("document.querySelector('#pace').value = 'spoken'")
        browser.choose_file("#file", spelled_file(tmp_path, words))
        browser.until("document.querySelector('#figure-audio').textContent >= '0:02'")
        os.kill(pid_of(server, "server.frontend"), signal.SIGKILL)
        browser.until(f"{STATE} === 'done'")
        assert words_shown(browser) == words.split()
        assert browser.run("document.querySelector('#notice').hidden")
