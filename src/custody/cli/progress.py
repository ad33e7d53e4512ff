"""How far long work is, on standard error: a bar on a terminal, elsewhere a line for each step."""

from types import TracebackType
from typing import Self, TextIO

_CELLS = 30
_CLEAR = "\r\033[K"  # to the line's start, and wipe it


class Progress:
    """How far some work is. To be used in a `with`, whose end wipes the bar."""

    def __init__(self, stream: TextIO, what: str) -> None:
        self._stream = stream
        self._what = what
        self._seen = stream.isatty()
        self._last = ""

    def show(self, done: int, total: int, note: str = "") -> None:
        """`done` of `total` is done (`total` 0: nobody knows yet), and `note` is being done."""
        if not self._seen:
            if note != self._last:
                self._stream.write(f"{self._what} {note}\n")
            self._last = note
            return
        share = min(1.0, max(0.0, done / total)) if total > 0 else 0.0
        full = int(share * _CELLS)
        bar = "#" * full + "." * (_CELLS - full)
        text = f"{_CLEAR}{self._what} [{bar}] {share:4.0%}"
        self._stream.write(f"{text} {note}" if note else text)
        self._stream.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._seen:
            self._stream.write(_CLEAR)
            self._stream.flush()
