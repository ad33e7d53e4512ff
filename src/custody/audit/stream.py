"""Owns devices that only flow: standard output, a pipe, a terminal, or nothing at all."""

import os
from collections.abc import Sequence

from custody.audit.chain import link
from custody.audit.device import DeviceFailed
from custody.audit.head import Head


class Stream:
    """Writes chained records to a descriptor that is not a regular file."""

    def __init__(self, fd: int, writer: str) -> None:
        self._fd = fd
        self._head = Head(writer)
        self._torn = False

    def append(self, records: Sequence[bytes]) -> None:
        """Write `records` line by line. Raises DeviceFailed with how many of them are written."""
        for done, record in enumerate(records):
            [line], head = link(self._head, [record])
            rest = memoryview(b"\n" + line if self._torn else line)
            try:
                while rest:
                    rest = rest[os.write(self._fd, rest) :]
                    self._torn = True
            except OSError as error:
                raise DeviceFailed(f"audit stream: {error.strerror}", done) from error
            self._head, self._torn = head, False

    def sync(self) -> None:
        """A stream has nothing to bring to a disk."""

    def close(self) -> None:
        """The descriptor is the process's own and stays open."""


class Discard:
    """Keeps nothing and says that it did."""

    def append(self, records: Sequence[bytes]) -> None:
        """Accept."""

    def sync(self) -> None:
        """Nothing to do."""

    def close(self) -> None:
        """Nothing to do."""
