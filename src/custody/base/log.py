"""Log lines: one line each, to stderr, and never the text of an unexpected exception.

An exception's message may quote what it choked on, which may be a secret; its type and the places
it passed are enough to find it. Nor is it shown what a line would have been made of that cannot be
written: it is counted.
"""

import contextlib
import json
import logging
import sys
import threading
import traceback
from asyncio import AbstractEventLoop
from collections.abc import Callable, Mapping
from types import MappingProxyType, TracebackType
from typing import Any, Final, TextIO

import msgspec

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
_ALL = ""  # stands for every logger without a level of its own
_on_lost: Callable[[], object] = int  # of this process; `int` does nothing
_levels: Mapping[str, int] = {_ALL: logging.WARNING}  # of this process; replaced, never changed
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
    root = logging.getLogger()
    others = [one for one in root.handlers if not isinstance(one, logging.StreamHandler)]
    root.handlers[:] = [_Lines(role, form), *others]
    set_levels(level, loggers)
    logging.raiseExceptions = False  # others' handlers: they would show the arguments of a line
    sys.excepthook = _uncaught
    threading.excepthook = _uncaught_in_thread
    sys.unraisablehook = _unraisable


def count_lost(count: Callable[[], object]) -> None:
    """From now on call `count` for each line that cannot be written; one thread at a time does."""
    global _on_lost  # noqa: PLW0603 one for all handlers, whenever they are made
    _on_lost = count


def set_levels(level: str, loggers: Mapping[str, str]) -> None:
    """Log at `level`, and each of `loggers` at its own. Raises KeyError for an unknown level.

    That is for stderr. The loggers themselves let everything through: others who watch the log
    may want to see more.
    """
    global _levels  # noqa: PLW0603 other threads log meanwhile: they find the old ones or the new
    found = {_ALL: LEVELS[level]}
    found |= {name: LEVELS[own] for name in LOGGERS if (own := loggers.get(name))}
    _levels = found
    logging.getLogger().setLevel(logging.DEBUG)


def levels() -> dict[str, str]:
    """The level that each of LOGGERS has in this process."""
    return {name: _NAMES.get(_level_of(name), "error") for name in LOGGERS}


def _level_of(name: str) -> int:
    known = _levels  # once: it is another one after `set_levels`
    return known.get(name, known[_ALL])


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


class Line(msgspec.Struct, frozen=True, array_like=True):
    """One line of the log, before it is written in one form or the other."""

    time_ns: int
    level: int
    role: str  # of the process
    pid: int
    text: str

    def standard(self) -> str:
        """`2026-11-22T13:14:50.103000000Z [INFO]    worker(1234): message`."""
        level = f"[{logging.getLevelName(self.level)}]".ljust(9)
        return f"{rfc3339(self.time_ns)} {level} {self.role}({self.pid}): {_one_line(self.text)}"

    def json(self) -> str:
        """An object with the keys that Vault's has: @timestamp, @level, @module, @message."""
        return json.dumps(
            {
                "@timestamp": rfc3339(self.time_ns),
                "@level": logging.getLevelName(self.level).lower(),
                "@module": self.role,
                "pid": self.pid,
                "@message": self.text,
            }
        )


FORMS: Final[Mapping[str, Callable[[Line], str]]] = {
    "standard": Line.standard,
    "json": Line.json,
}


def line_of(record: logging.LogRecord, role: str) -> Line:
    """What is written of a record."""
    time_ns = int(record.created * 1000) * _MILLISECOND
    return Line(time_ns, record.levelno, role, record.process or 0, _message(record))


class _Lines(logging.StreamHandler[TextIO]):
    """Lines to stderr, from the levels on that are set."""

    def __init__(self, role: str, form: str) -> None:
        super().__init__(sys.stderr)
        self._role = role
        self._written = FORMS[form]

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record's level is high enough for its logger."""
        own = record.name.startswith(_PREFIX)
        name = record.name.removeprefix(_PREFIX).partition(".")[0] if own else _ALL
        return record.levelno >= _level_of(name)

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        return self._written(line_of(record, self._role))

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 logging's name
        """Count the line, and say where it was logged if that can be written; no more of it."""
        _on_lost()
        kind = type(sys.exc_info()[1]).__name__
        text = f"a line of {record.pathname}:{record.lineno} cannot be written: {kind}"
        time_ns = int(record.created * 1000) * _MILLISECOND
        line = Line(time_ns, logging.ERROR, self._role, record.process or 0, text)
        with contextlib.suppress(OSError, ValueError):  # stderr is closed, or nobody reads it
            self.stream.write(self._written(line) + self.terminator)
            self.flush()


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
