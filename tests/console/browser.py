"""A headless Chromium, driven over its DevTools protocol by the standard library and websockets.

https://chromedevtools.github.io/devtools-protocol/. One page, commands one after the other; events
that arrive meanwhile are kept for whoever asks. Every wait has the patience of `waiting`.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Sequence
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Final

from websockets.sync.client import ClientConnection, connect

from tests.conformance.waiting import PATIENCE_S, POLL_S, wait_until

NAMES: Final = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
MAX_MESSAGE_BYTES: Final = 64 << 20


def find_browser() -> str | None:
    """The path of an installed browser, if there is one."""
    return next(filter(None, map(shutil.which, NAMES)), None)


class BrowserError(Exception):
    """The page's script failed, or the browser refused a command."""


class PageLeftError(BrowserError):
    """The page that was asked has been left for another: the same question may be asked of that."""


LEFT: Final = (
    "Inspected target navigated",
    "Execution context was destroyed",
    "Cannot find context",
)


class Browser:
    """One page, for as long as a `with` block runs."""

    def __init__(self, executable: str, flags: Sequence[str] = ()) -> None:
        self._command = [
            executable,
            "--headless=new",
            "--no-sandbox",  # tests run as root in containers
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--hide-scrollbars",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--remote-debugging-port=0",
            "--autoplay-policy=no-user-gesture-required",
            *flags,
            "about:blank",
        ]
        self.events: list[dict[str, Any]] = []
        self._number = 0

    def __enter__(self) -> Browser:
        self._open = ExitStack()
        self._profile = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        command = [*self._command[:1], f"--user-data-dir={self._profile.name}", *self._command[1:]]
        self._process = subprocess.Popen(
            command,
            env=os.environ | {"TMPDIR": self._profile.name},  # what it leaves goes with the profile
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            self._socket = self._open.enter_context(self._connect())
            for domain in ("Page", "Runtime", "Log", "Network", "Audits"):
                self.command(f"{domain}.enable")
            self.command("Emulation.setFocusEmulationEnabled", enabled=True)
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self,
        _type: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self._stop()

    # -- the protocol

    def command(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Sends one command and waits for its result."""
        self._number += 1
        self._socket.send(json.dumps({"id": self._number, "method": method, "params": parameters}))
        while True:
            message = json.loads(self._socket.recv(PATIENCE_S))
            if message.get("id") == self._number:
                if "error" in message:
                    said = str(message["error"]["message"])
                    raise (PageLeftError if said.startswith(LEFT) else BrowserError)(
                        f"{method}: {said}"
                    )
                result: dict[str, Any] = message["result"]
                return result
            self.events.append(message)

    def run(self, expression: str) -> Any:
        """The value of a JavaScript expression in the page; promises are awaited."""
        result = self.command(
            "Runtime.evaluate",
            expression=expression, awaitPromise=True, returnByValue=True, userGesture=True,
        )  # fmt: skip
        if "exceptionDetails" in result:
            raise BrowserError(f"{expression}: {result['exceptionDetails']}")
        return result["result"].get("value")

    # -- what a person does

    def open(self, url: str) -> None:
        """Goes to a page and waits until it has loaded, its modules too."""
        self.command("Page.navigate", url=url)
        self.until(f"location.href + document.readyState === {json.dumps(url + 'complete')}")

    def until(self, expression: str) -> None:
        """Waits until an expression is true in the page, or in the one it goes to meanwhile."""

        def holds() -> bool:
            try:
                return bool(self.run(f"Boolean({expression})"))
            except PageLeftError:
                return False

        wait_until(holds, expression)

    def text(self, selector: str) -> str:
        return str(self.run(f"document.querySelector({json.dumps(selector)}).textContent.trim()"))

    def click(self, selector: str) -> None:
        self.run(f"document.querySelector({json.dumps(selector)}).click()")

    def press(self, key: str, *, shift: bool = False) -> None:
        """One key, as if typed."""
        known = {
            "Tab": (9, ""), "Enter": (13, "\r"), " ": (32, " "), "ArrowLeft": (37, ""),
            "ArrowRight": (39, ""), "Home": (36, ""), "End": (35, ""), "Escape": (27, ""),
        }  # fmt: skip
        code, text = known[key]
        common: dict[str, Any] = {
            "key": key, "code": "Space" if key == " " else key,
            "windowsVirtualKeyCode": code, "modifiers": 8 if shift else 0,
        }  # fmt: skip
        self.command("Input.dispatchKeyEvent", type="keyDown", text=text, **common)
        self.command("Input.dispatchKeyEvent", type="keyUp", **common)

    def choose_file(self, selector: str, path: Path) -> None:
        """Puts a file into an input, as its dialogue would."""
        root = self.command("DOM.getDocument")["root"]["nodeId"]
        node = self.command("DOM.querySelector", nodeId=root, selector=selector)["nodeId"]
        self.command("DOM.setFileInputFiles", nodeId=node, files=[str(path)])

    def size(self, width: int, height: int, *, scale: float = 1, phone: bool = False) -> None:
        self.command(
            "Emulation.setDeviceMetricsOverride",
            width=width, height=height, deviceScaleFactor=scale, mobile=phone,
        )  # fmt: skip

    def colours(self, scheme: str) -> None:
        """``light`` or ``dark``, as the system's setting."""
        self.command(
            "Emulation.setEmulatedMedia",
            features=[{"name": "prefers-color-scheme", "value": scheme}],
        )

    def downloads_to(self, folder: Path) -> None:
        self.command("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(folder))

    def screenshot(self, path: Path) -> None:
        picture = self.command("Page.captureScreenshot", format="png")["data"]
        path.write_bytes(base64.b64decode(picture))

    def complaints(self) -> list[str]:
        """What the page's security policy refused, scripts that failed, and errors of the log."""
        self.run("0")  # takes in what has been reported so far
        found = []
        for event in self.events:
            detail = event["params"]
            if event["method"] == "Runtime.exceptionThrown":
                found.append(json.dumps(detail["exceptionDetails"]))
            elif event["method"] == "Log.entryAdded" and detail["entry"]["level"] == "error":
                found.append(f"{detail['entry']['text']} {detail['entry'].get('url', '')}")
            elif event["method"] == "Audits.issueAdded":
                found.append(json.dumps(detail["issue"]))
        return found

    # -- starting and stopping

    def _connect(self) -> AbstractContextManager[ClientConnection]:
        port_file = Path(self._profile.name) / "DevToolsActivePort"
        wait_until(
            lambda: port_file.exists() and len(port_file.read_text().splitlines()) == 2,
            "the browser listens",
        )
        port = int(port_file.read_text().splitlines()[0])
        deadline_s = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline_s:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/json/list") as answer:
                pages = [entry for entry in json.load(answer) if entry["type"] == "page"]
            if pages:
                url = pages[0]["webSocketDebuggerUrl"]
                return connect(url, max_size=MAX_MESSAGE_BYTES, open_timeout=PATIENCE_S)
            time.sleep(POLL_S)
        raise BrowserError("the browser has no page")

    def _stop(self) -> None:
        self._open.close()
        self._process.terminate()
        try:
            self._process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._profile.cleanup()
