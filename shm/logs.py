"""Log lines of every process: one line each, as text for people or as JSON for machines.

A line may carry fields, such as the session that it belongs to (`SESSION`, the ``msgId`` of the
stream's ``ready``). What clients say is never a field nor part of a message, at any level: loggers
of libraries that would write down whole messages are kept at WARNING. Written to stderr.
"""

from __future__ import annotations

import json
import logging
import sys
import traceback
from dataclasses import dataclass
from datetime import UTC, datetime
from types import TracebackType
from typing import Final

TEXT: Final = "text"
JSON: Final = "json"
FORMATS: Final = (TEXT, JSON)
SESSION: Final = "session"

_FIELDS: Final = "fields"
_TALKATIVE: Final = ("websockets", "asyncio")
"""At DEBUG they write what goes over the wire, or would in a later version."""


@dataclass(frozen=True, slots=True)
class LogSettings:
    """The level, the format, and the name of the process that writes."""

    level: str = "WARNING"
    format: str = TEXT
    process: str = "supervisor"


def configure(settings: LogSettings) -> None:
    """Sets this process's logging up; in JSON, what ends the process is a line as well."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Json(settings.process) if settings.format == JSON else _Text())
    logging.basicConfig(level=settings.level, handlers=[handler], force=True)
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(max(logging.WARNING, logging.root.level))
    logging.captureWarnings(capture=True)
    if settings.format == JSON:
        sys.excepthook = _log_uncaught


def event(logger: logging.Logger, level: int, message: str, **fields: object) -> None:
    """Logs ``message`` with fields; their values must be such as JSON has."""
    logger.log(level, message, extra={_FIELDS: fields})


def announce(message: str, level: int = logging.INFO, **fields: object) -> bool:
    """Writes a line whatever the level is set to, where lines are JSON; False where they are text.

    For what is said on stderr in a form of its own otherwise.
    """
    for handler in logging.root.handlers:
        if isinstance(handler.formatter, _Json):
            record = logging.LogRecord("realtime_engine", level, "", 0, message, None, None)
            setattr(record, _FIELDS, fields)
            handler.emit(record)
            return True
    return False


class _Text(logging.Formatter):
    """Time, level, message, then the fields."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        fields = getattr(record, _FIELDS, {})
        shown = "".join(f" {name}={value}" for name, value in fields.items())
        return super().formatMessage(record) + shown


class _Json(logging.Formatter):
    """One object on one line; an exception's traceback is one of its strings."""

    def __init__(self, process: str) -> None:
        super().__init__()
        self._process = process

    def format(self, record: logging.LogRecord) -> str:
        time = datetime.fromtimestamp(record.created, UTC)
        line: dict[str, object] = {
            "time": time.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname,
            "process": self._process,
            "pid": record.process,
            "logger": record.name,
            "message": record.getMessage(),
            **getattr(record, _FIELDS, {}),
        }
        if record.exc_info:
            line["exception"] = "".join(traceback.format_exception(*record.exc_info))
        return json.dumps(line, ensure_ascii=False)


def _log_uncaught(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    logging.getLogger("realtime_engine").critical(
        "the process ends with an error", exc_info=(kind, error, trace)
    )
