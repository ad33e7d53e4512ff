"""Log lines: one line each, to stderr, and never the text of an unexpected exception.

An exception's message may quote what it choked on, which may be a secret; its type and the places
it passed are enough to find it.
"""

import json
import logging
import sys
import threading
import traceback
from asyncio import AbstractEventLoop
from collections.abc import Mapping
from types import MappingProxyType, TracebackType
from typing import Any

from custody.base.clock import rfc3339

LEVELS = {
    "trace": logging.DEBUG,
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "notice": logging.INFO,
    "warn": logging.WARNING,
    "warning": logging.WARNING,
    "err": logging.ERROR,
    "error": logging.ERROR,
}
_NO_LEVELS: Mapping[str, str] = MappingProxyType({})
LOGGERS = ("audit", "barrier", "core", "http", "serve", "storage", "system")
_PREFIX = "custody."  # before the names above, those of packages
_NAMES = {
    logging.DEBUG: "debug",
    logging.INFO: "info",
    logging.WARNING: "warn",
    logging.ERROR: "error",
}
_MILLISECOND = 1_000_000
_FRAMES = 12  # of a traceback's innermost


def configure(
    role: str,
    level: str = "info",
    form: str = "standard",
    loggers: Mapping[str, str] = _NO_LEVELS,
) -> None:
    """Send this process's log lines to stderr. `form` is `standard` or `json`.

    `loggers` has levels of single LOGGERS. Uncaught exceptions take the same way. Raises KeyError
    for a level that LEVELS does not know.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_JSON(role) if form == "json" else _Standard(role))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    set_levels(level, loggers)
    sys.excepthook = _uncaught
    threading.excepthook = _uncaught_in_thread
    sys.unraisablehook = _unraisable


def set_levels(level: str, loggers: Mapping[str, str]) -> None:
    """Log at `level`, and each of `loggers` at its own. Raises KeyError for an unknown level."""
    logging.getLogger().setLevel(LEVELS[level])
    for name in LOGGERS:
        own = loggers.get(name)
        logging.getLogger(_PREFIX + name).setLevel(LEVELS[own] if own else logging.NOTSET)


def levels() -> dict[str, str]:
    """The level that each of LOGGERS has in this process."""
    found = {name: logging.getLogger(_PREFIX + name).getEffectiveLevel() for name in LOGGERS}
    return {name: _NAMES.get(level, "error") for name, level in found.items()}


def on_loop_error(loop: AbstractEventLoop, context: dict[str, Any]) -> None:
    """For `loop.set_exception_handler`: asyncio's own prints objects, and with them their text."""
    del loop
    error = context.get("exception")
    detail = "" if error is None else f": {describe(error)}"
    logging.getLogger(__name__).error("%s%s", context.get("message", "event loop"), detail)


def describe(error: BaseException) -> str:
    """The error's type, its causes' types, and the places it passed; not its text."""
    frames = traceback.extract_tb(error.__traceback__)[-_FRAMES:]
    places = " < ".join(
        f"{frame.filename}:{frame.lineno} {frame.name}" for frame in reversed(frames)
    )
    text = f"{type(error).__name__} at {places or 'no frame'}"
    cause = error.__cause__
    return text if cause is None else f"{text}; from {describe(cause)}"


class _Standard(logging.Formatter):
    """`2026-11-22T13:14:50.103000000Z [INFO]  worker(1234): message`."""

    def __init__(self, role: str) -> None:
        super().__init__()
        self._role = role

    def format(self, record: logging.LogRecord) -> str:
        level = f"[{record.levelname}]".ljust(9)
        origin = f"{self._role}({record.process})"
        return f"{_moment(record)} {level} {origin}: {_one_line(_message(record))}"


class _JSON(logging.Formatter):
    """One JSON object per line with the keys Vault's has: @timestamp, @level, @module, @message."""

    def __init__(self, role: str) -> None:
        super().__init__()
        self._role = role

    def format(self, record: logging.LogRecord) -> str:
        return json.dumps(
            {
                "@timestamp": _moment(record),
                "@level": record.levelname.lower(),
                "@module": self._role,
                "pid": record.process,
                "@message": _message(record),
            }
        )


def _moment(record: logging.LogRecord) -> str:
    return rfc3339(int(record.created * 1000) * _MILLISECOND)


def _message(record: logging.LogRecord) -> str:
    text = record.getMessage()
    if record.exc_info and record.exc_info[1] is not None:
        text = f"{text}: {describe(record.exc_info[1])}"
    return text


def _one_line(text: str) -> str:
    return text.encode("unicode_escape").decode("ascii") if not text.isprintable() else text


def _uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    logging.getLogger(__name__).critical("uncaught", exc_info=(kind, error, trace))


def _uncaught_in_thread(failed: threading.ExceptHookArgs) -> None:
    if failed.exc_value is not None:
        text = describe(failed.exc_value)
        logging.getLogger(__name__).critical("uncaught in a thread: %s", text)


def _unraisable(failed: "sys.UnraisableHookArgs") -> None:
    if failed.exc_value is not None:
        logging.getLogger(__name__).error("not raised: %s", describe(failed.exc_value))
