"""The status page in a real browser: what the server counts is what is shown.

With CONSOLE_SCREENSHOTS=1 in the environment it also writes docs/images/status.png.
"""

from __future__ import annotations

import os
import signal

import pytest

from bench.footprint import processes
from tests.conformance.client import Client
from tests.conformance.conftest import echo_flags
from tests.conformance.server_process import ServerProcess
from tests.conformance.spelling import spell
from tests.conformance.test_pages import pid_of
from tests.console.conftest import OpenBrowser
from tests.console.test_console import IMAGES, address_of

pytestmark = pytest.mark.server


def test_the_running_figures_are_shown(
    open_browser: OpenBrowser, console_server: ServerProcess
) -> None:
    browser = open_browser()
    browser.size(1280, 1080)
    browser.colours("light")
    with Client(console_server.url) as client:
        client.send_audio(bytes(4096) * 20)
        client.done()
        browser.open(address_of(console_server, "/status"))
        browser.until("document.querySelector('#verdict').textContent === 'Ready'")
        assert browser.text("#streams-now") == "1"
        assert browser.text("#streams-total") == "2"
        listed = browser.run("document.querySelectorAll('#processes tr').length")
        assert listed == len(processes(console_server.pid)) - 1, "all but the supervisor"
        assert browser.run("document.querySelectorAll('#latency tr').length") == 8
        assert browser.text("#slowest").startswith("Slowest: ")
        assert browser.text("#speed-now").endswith("%")
        if os.environ.get("CONSOLE_SCREENSHOTS"):
            browser.screenshot(IMAGES / "status.png")
    browser.until("document.querySelector('#streams-now').textContent === '0'")
    assert browser.complaints() == []


def test_a_process_that_hangs_is_named_until_it_is_replaced(open_browser: OpenBrowser) -> None:
    browser = open_browser()
    with ServerProcess(*echo_flags()) as server:
        with Client(server.url) as client:
            client.send_audio(spell("ab"))
            client.done()
        browser.open(address_of(server, "/status"))
        browser.until("document.querySelector('#verdict').textContent === 'Ready'")
        os.kill(pid_of(server, "gpu_worker.decoder"), signal.SIGSTOP)
        browser.until(  # in one look: it is replaced within seconds
            "document.querySelector('#verdict').textContent === 'Not ready' && "
            "document.querySelector('#reasons').textContent.includes('decoder 0 has not answered')"
        )
        browser.until("document.querySelector('#verdict').textContent === 'Ready'")
        browser.until("document.querySelector('#processes').textContent.includes('ready')")
    browser.until("document.querySelector('#verdict').textContent.includes('does not answer')")
