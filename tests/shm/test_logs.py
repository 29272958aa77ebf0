"""Log lines: one each, in both forms; what ends a process is one, too."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from typing import Any

import pytest

from shm import logs

SCRIPT = """
import logging, sys, warnings
from shm import logs
logs.configure(logs.LogSettings({level!r}, {format!r}, "decoder 3"))
log = logging.getLogger("realtime_engine.test")
{body}
"""


def written(body: str, log_format: str = logs.JSON, level: str = "INFO") -> list[str]:
    """What a process of its own writes to stderr: logging is global."""
    script = SCRIPT.format(level=level, format=log_format, body=body)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=False)
    return done.stderr.decode().splitlines()


def parsed(lines: list[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in lines]


def test_a_json_line_holds_time_level_process_and_fields() -> None:
    (line,) = parsed(written('logs.event(log, logging.INFO, "it is\\nsaid", session="x", slot=2)'))
    assert line.pop("pid") > 0
    assert line.pop("time").endswith("Z")
    assert line == {
        "level": "INFO", "process": "decoder 3", "logger": "realtime_engine.test",
        "message": "it is\nsaid", "session": "x", "slot": 2,
    }  # fmt: skip


def test_a_text_line_ends_with_its_fields() -> None:
    (line,) = written('logs.event(log, logging.INFO, "said", session="x", slot=2)', logs.TEXT)
    assert line.endswith("INFO said session=x slot=2")


@pytest.mark.parametrize("log_format", logs.FORMATS)
def test_what_is_below_the_level_is_not_written(log_format: str) -> None:
    body = 'logs.event(log, logging.INFO, "no"); log.warning("yes")'
    (line,) = written(body, log_format, "WARNING")
    assert "yes" in line


def test_an_error_that_ends_the_process_is_one_line_of_json() -> None:
    (line,) = parsed(written('raise ValueError("too\\nbad")'))
    assert (line["level"], line["process"]) == ("CRITICAL", "decoder 3")
    assert line["exception"].endswith("ValueError: too\nbad\n")
    assert "Traceback" in line["exception"]


def test_an_error_that_ends_the_process_is_a_traceback_in_text() -> None:
    assert written('raise ValueError("too bad")', logs.TEXT)[-1] == "ValueError: too bad"


def test_warnings_are_lines_as_well() -> None:
    (line,) = parsed(written('warnings.warn("old")'))
    assert (line["level"], "old" in line["message"]) == ("WARNING", True)


def test_libraries_that_write_down_messages_are_kept_quiet() -> None:
    body = 'logging.getLogger("websockets.server").debug("< TEXT secret"); log.debug("ours")'
    (line,) = parsed(written(body, level="DEBUG"))
    assert line["message"] == "ours"


def test_an_announcement_is_written_whatever_the_level() -> None:
    body = 'assert logs.announce("ready", url="ws://x")'
    (line,) = parsed(written(body, level="CRITICAL"))
    assert (line["message"], line["url"], line["level"]) == ("ready", "ws://x", "INFO")
    assert written('assert not logs.announce("ready")', logs.TEXT) == []


def test_before_logging_is_set_up_nothing_is_announced() -> None:
    handlers = logging.root.handlers
    assert not any(isinstance(handler.formatter, logs._Json) for handler in handlers)
    assert not logs.announce("ready")
