"""The log lines that somebody watches: a ring of memory for each process, read by all.

Whoever watches says from which level on; a process writes a line into its ring if somebody wants
it, and waits for nobody. Who reads too slowly finds lines overwritten, and how many. So neither
the number of watchers nor their pace costs memory, and what a process said last outlives it.

Layout, behind the shared page in the same memory file (see `serve.page`): the levels wanted, in
native 64-bit words, one for each process; then for each its ring: head and first (bytes ever
written, and where the oldest whole record begins), the number of records, and the bytes. A record
is the length and CRC-32 of what follows, its number, and the line as MessagePack.
"""

import contextlib
import logging
import mmap
import os
import struct
import zlib
from collections.abc import Iterator
from typing import Final

import msgspec

from custody.base.log import Line, line_of
from custody.serve import page

_OWN: Final = "custody"
RING: Final = 64 * 1024  # bytes of each ring
MAX_TEXT: Final = 4096  # characters of a line
SUPERVISOR: Final = page.SLOTS  # the number of the supervisor's ring, after those of slots
_RINGS: Final = page.SLOTS + 1
_WORD: Final = 8
_HEAD, _FIRST, _COUNT, _WORDS = range(4)
_STRIDE: Final = _WORDS * _WORD + RING
_START: Final = -(-page.SIZE // mmap.ALLOCATIONGRANULARITY) * mmap.ALLOCATIONGRANULARITY
_SIZE: Final = _RINGS * (_WORD + _STRIDE)
_PREFIX: Final = struct.Struct("=II")  # length and checksum of what follows
_NUMBER: Final = struct.Struct("=Q")
_decoder: Final = msgspec.msgpack.Decoder(Line)


def lay_out(fd: int) -> None:
    """Make room behind a new page. For the supervisor alone, before anyone else maps it."""
    os.ftruncate(fd, _START + _SIZE)


def write(fd: int, number: int, role: str) -> None:
    """From now on, keep what this process logs in ring `number`, as far as it is watched.

    That is what Custody's own code logs: nobody knows what libraries say at their lowest levels.
    """
    logging.getLogger(_OWN).addHandler(Witness(Journal(fd), number, role))


class Journal:
    """A mapping of all rings."""

    def __init__(self, fd: int) -> None:
        self._map = mmap.mmap(fd, _SIZE, offset=_START)
        self._wanted = memoryview(self._map)[: _RINGS * _WORD].cast("q")

    def ring(self, number: int) -> "Ring":
        """The ring `number`, to be written by one process only."""
        start = _RINGS * _WORD + number * _STRIDE
        return Ring(memoryview(self._map)[start : start + _STRIDE])

    def rings(self) -> list["Ring"]:
        """All of them."""
        return [self.ring(number) for number in range(_RINGS)]

    @property
    def wanted(self) -> int:
        """The lowest level that is watched anywhere; 0: nobody watches."""
        return min(filter(None, self._wanted), default=0)

    def want(self, number: int, level: int) -> None:
        """Say what is watched in the process with ring `number`; 0: nothing (any more)."""
        self._wanted[number] = level


class Ring:
    """One process's lines."""

    def __init__(self, memory: memoryview) -> None:
        self._words = memory[: _WORDS * _WORD].cast("q")
        self._bytes = memory[_WORDS * _WORD :]

    @property
    def end(self) -> tuple[int, int]:
        """Where the next record will begin, and its number."""
        return self._words[_HEAD], self._words[_COUNT]

    @property
    def first(self) -> int:
        """Where the oldest record begins that is whole."""
        return self._words[_FIRST]

    def append(self, line: Line) -> None:
        """Write a line over the oldest ones. Must not be called by two threads at once."""
        words, (head, number) = self._words, self.end
        data = _NUMBER.pack(number) + msgspec.msgpack.encode(line)
        record = _PREFIX.pack(len(data), zlib.crc32(data)) + data
        first = words[_FIRST]
        while head + len(record) - first > RING:
            first += _PREFIX.size + _PREFIX.unpack(self._read(first, _PREFIX.size))[0]
        words[_FIRST] = first  # readers know what is overwritten before it is
        place = head % RING
        fitting = min(len(record), RING - place)
        self._bytes[place : place + fitting] = record[:fitting]
        self._bytes[: len(record) - fitting] = record[fitting:]
        words[_COUNT] = number + 1
        words[_HEAD] = head + len(record)

    def record(self, start: int) -> tuple[int, int, Line] | None:
        """The record at `start`: where the next begins, its number, its line.

        None where it was overwritten before it was read.
        """
        length, checksum = _PREFIX.unpack(self._read(start, _PREFIX.size))
        if not _NUMBER.size <= length <= RING:
            return None
        data = self._read(start + _PREFIX.size, length)
        if start < self.first or zlib.crc32(data) != checksum:
            return None
        line = _decoder.decode(data[_NUMBER.size :])
        return start + _PREFIX.size + length, _NUMBER.unpack_from(data)[0], line

    def _read(self, start: int, size: int) -> bytes:
        place = start % RING
        piece = bytes(self._bytes[place : place + size])
        return piece + bytes(self._bytes[: size - len(piece)])


class Reader:
    """Reads what one ring gets from now on."""

    def __init__(self, ring: Ring) -> None:
        self._ring = ring
        self._place, self._number = ring.end

    def take(self) -> Iterator[tuple[int, Line]]:
        """The lines since the last look, each with how many before it are lost."""
        head, _ = self._ring.end
        while self._place < head:
            self._place = max(self._place, self._ring.first)
            found = self._ring.record(self._place)
            if found is None:
                if self._place >= self._ring.first:
                    return  # not to be seen whole yet; the next look finds it
                continue
            self._place, number, line = found
            lost, self._number = max(0, number - self._number), number + 1
            yield lost, line


class Witness(logging.Handler):
    """Writes what this process logs into its ring, as far as it is watched."""

    def __init__(self, journal: Journal, number: int, role: str) -> None:
        super().__init__()
        self._journal = journal
        self._ring = journal.ring(number)
        self._role = role

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a line, or let it go. Raises nothing: whoever logs does not know of watchers."""
        with contextlib.suppress(Exception):  # the line is in the log of the process anyway
            wanted = self._journal.wanted
            if wanted and record.levelno >= wanted:
                self._ring.append(_storable(line_of(record, self._role)))


def _storable(line: Line) -> Line:
    """As much of the line as is kept; what is no character, as in a file's name, is escaped."""
    text = line.text[:MAX_TEXT].encode(errors="backslashreplace").decode()
    return msgspec.structs.replace(line, text=text[:MAX_TEXT])
