"""Logs: readable text on a terminal, otherwise one JSON object per line; each line has the request's id.

Bodies, keys and Authorization headers are never logged: no code passes them here, and `_redact` removes them in case
some code ever does. Tracebacks are printed without local variables for the same reason.
"""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import lru_cache
from typing import Any, TextIO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from tallystick.config import Settings

SECRET_WORDS = ("authorization", "api_key", "apikey", "api-key", "password", "secret", "token", "cookie")
SECRET_NAMES = frozenset({"body", "key", "keys", "headers", "payload", "lines", "original", "properties"})
REDACTED = "[redacted]"
_OF_SEVERAL_LINES = frozenset({"exception", "stack"})
"""Fields of a log line that are texts of several lines."""


def configure(settings: Settings, stream: TextIO | None = None) -> None:
    """Send structlog's and the standard library's logs to `stream` (default: standard error) in one form.

    `log_format` auto means console on a terminal and JSON elsewhere. There are colours on a terminal only, and none
    with NO_COLOR.
    """
    out = stream or sys.stderr
    colors = out.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    console = settings.log_format == "console" or (settings.log_format == "auto" and out.isatty())
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _redact,
        _without_color_message,
    ]
    handler = logging.StreamHandler(out)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *_renderers(console, colors)],
        )
    )
    _leave_out_what_no_line_shows()
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(settings.log_level.upper())
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access", "uvicorn.asgi"):
        logging.getLogger(name).handlers = []
        logging.getLogger(name).propagate = name != "uvicorn.access"  # its lines hold query strings
    logging.getLogger("httpx").setLevel(max(root.level, logging.WARNING))  # so do its lines
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )


def _leave_out_what_no_line_shows() -> None:
    """Switch off what the logging module finds out for each line, as its manual's chapter "Optimization" says: a fifth
    of a line's time.
    """
    logging._srcfile = None  # the caller's place
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False


def _renderers(console: bool, colors: bool) -> list[Processor]:
    if console:
        return [
            _harmless,
            structlog.dev.ConsoleRenderer(colors=colors, exception_formatter=structlog.dev.plain_traceback),
        ]
    return [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]


def _redact(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    for name in event:
        if _is_secret(name):
            event[name] = REDACTED
    return event


@lru_cache(maxsize=1024)
def _is_secret(name: str) -> bool:
    lowered = name.lower()
    return lowered in SECRET_NAMES or any(word in lowered for word in SECRET_WORDS)


def _without_color_message(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Leave out uvicorn's second copy of its message, which has a terminal's colour codes."""
    event.pop("color_message", None)
    return event


def _harmless(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Escape control characters in texts, which may come from clients: on a terminal they would be obeyed."""
    for name, value in event.items():
        if isinstance(value, str) and name not in _OF_SEVERAL_LINES and not value.isprintable():
            event[name] = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in value)
    return event


def logger(name: str) -> Any:
    """A structlog logger; `name` is the module's."""
    return structlog.stdlib.get_logger(name)


class Seldom:
    """A warning that clients can cause as often as they like. It is logged at most once in `every` seconds.

    `times` is how often it occurred since the previous line.
    """

    def __init__(self, name: str, line: str, every: float = 60.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._log = logger(name)
        self._line = line
        self._every = every
        self._clock = clock
        self._times = 0
        self._next = float("-inf")

    def warning(self, **fields: object) -> None:
        """Count an occurrence, and log it if a line is due. `fields`: the details of this occurrence."""
        self._times += 1
        now = self._clock()
        if now >= self._next:
            self._log.warning(self._line, times=self._times, **fields)
            self._times, self._next = 0, now + self._every


def request_context(request_id: str) -> AbstractContextManager[None]:
    """Within it, every log line of this task carries `request_id`."""
    return structlog.contextvars.bound_contextvars(request_id=request_id)
