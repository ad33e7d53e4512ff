"""Owns an audit file: what it says is kept is a whole line in the file that now has the path.

Several processes append to one file. Each takes a shared lock around its check and its write (a
rotator takes the exclusive one); one write lands in one piece, so lines never mix. What each
write must meet, checked every time:

- the path still names our file and our last line is still where it was; else the file is opened
  (and made) anew and a `gap` record that names our last head goes before anything else;
- the byte before our write ends a line; a process killed in its write may have left a torn one;
- a write cut short (disk full) leaves no torn line: what was torn is overwritten with spaces;
- after the write the file is not deleted; else the records are written again to a new one.

A file that begins like none of ours is left alone, with its mode: whoever may name the path of a
device is not thereby let loose on the files of the machine.
"""

import contextlib
import errno
import fcntl
import os
import stat
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from custody.audit.chain import after, link
from custody.audit.device import DeviceFailed
from custody.audit.head import Head
from custody.base.clock import Clock, rfc3339
from custody.base.errors import unchained

_ATTEMPTS: Final = 4  # times that the file may change under one batch
_TAIL: Final = 80  # bytes of our last line that are looked for; they hold the digest before it
_DIRECTORY_MODE: Final = 0o700
_FILE_MODE: Final = 0o600
_SHORT_WRITES: Final = 4
_BEGINNINGS: Final = frozenset((b"", b"{", b" ", b"\n", b"\0"))  # also of what a crash has torn


class _Lost(Exception):
    """The file is no longer ours to append to; the text says how it was lost."""


class _File:
    """The open file, and our last line in it: where it ends and its last bytes."""

    __slots__ = ("device", "end", "fd", "inode", "tail")

    def __init__(self, fd: int, device: int, inode: int) -> None:
        self.fd = fd
        self.device = device
        self.inode = inode
        self.end = 0
        self.tail = b""


class Appender:
    """Appends chained records to the file at `path`. Used by one thread; `sync` by any."""

    def __init__(self, path: str, mode: int, writer: str, clock: Clock) -> None:
        self.head = Head(writer)
        self._path = Path(path)
        self._mode = mode
        self._clock = clock
        self._file: _File | None = None
        self._lost = ""
        self._unsynced = False
        self._sync_failed = False  # set by `sync`, met by the next batch
        self._lock = threading.Lock()  # guards opening and closing against `sync`

    def append(self, records: Sequence[bytes]) -> None:
        """Keep `records`. Raises DeviceFailed with how many of the first ones are kept."""
        try:
            for _ in range(_ATTEMPTS):
                try:
                    self._attempt(records)
                except _Lost as lost:
                    self._drop(str(lost))
                else:
                    return
        except OSError as error:
            raise DeviceFailed(f"{self._path}: {error.strerror}") from error
        raise DeviceFailed(f"{self._path}: the file does not stay in its place")

    def sync(self) -> None:
        """Bring what was written to the disk, if anything was.

        Raises DeviceFailed; the next batch then opens the file anew and records a gap.
        """
        with self._lock:
            if not self._unsynced or self._file is None:
                return
            self._unsynced = False
            fd = os.dup(self._file.fd)
        try:
            os.fdatasync(fd)
        except OSError as error:
            self._sync_failed = True
            raise DeviceFailed(f"{self._path}: {error.strerror}") from error
        finally:
            os.close(fd)

    def close(self) -> None:
        """Sync and close."""
        with contextlib.suppress(DeviceFailed):
            self.sync()
        self._close()

    def _attempt(self, records: Sequence[bytes]) -> None:
        file = self._file or self._open()
        fcntl.flock(file.fd, fcntl.LOCK_SH)
        try:
            self._check(file)
            gap = [self._gap(self._lost)] if self._lost else []
            lines, head = link(self.head, [*gap, *records])
            written, error = _write(file, lines)
            if written and os.fstat(file.fd).st_nlink == 0:
                raise _Lost("removed")
        finally:
            fcntl.flock(file.fd, fcntl.LOCK_UN)
        self._unsynced = True
        self.head = head if written == len(lines) else after(self.head, lines[:written])
        if written:
            self._lost = ""
        if error is not None:
            kept = max(written - len(gap), 0)
            raise DeviceFailed(f"{self._path}: {error.strerror}", kept) from error

    def _check(self, file: _File) -> None:
        """Raise _Lost unless the path names `file` and our last line stands in it."""
        if self._sync_failed:
            self._sync_failed = False
            raise _Lost("not synced")
        try:
            found = self._path.stat()
        except FileNotFoundError:
            links = os.fstat(file.fd).st_nlink
            raise unchained(_Lost("renamed" if links else "removed")) from None
        if (found.st_ino, found.st_dev) != (file.inode, file.device):
            raise _Lost("replaced")
        if file.tail and os.pread(file.fd, len(file.tail), file.end - len(file.tail)) != file.tail:
            raise _Lost("truncated")

    def _open(self) -> _File:
        for folder in reversed([each for each in self._path.parents if not each.exists()]):
            folder.mkdir(_DIRECTORY_MODE, exist_ok=True)
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOCTTY
        fd = os.open(self._path, flags, self._mode or _FILE_MODE)
        try:
            found = self._prepare(fd)
        except BaseException:
            os.close(fd)
            raise
        file = _File(fd, found.st_dev, found.st_ino)
        with self._lock:
            self._file = file
        return file

    def _prepare(self, fd: int) -> os.stat_result:
        """Check what was opened, set its mode, end a line that an earlier process left torn."""
        found = os.fstat(fd)
        if not stat.S_ISREG(found.st_mode):
            raise DeviceFailed(f"{self._path}: not a regular file")
        if os.pread(fd, 1, 0) not in _BEGINNINGS:
            raise DeviceFailed(f"{self._path}: the file holds something else than audit records")
        if self._mode and stat.S_IMODE(found.st_mode) != self._mode:
            os.fchmod(fd, self._mode)
        if found.st_size and os.pread(fd, 1, found.st_size - 1) != b"\n":
            os.write(fd, b"\n")
        return found

    def _drop(self, reason: str) -> None:
        self._close()
        if self.head.seq:
            self._lost = self._lost or reason

    def _close(self) -> None:
        with self._lock:
            file, self._file = self._file, None
        if file is not None:
            os.close(file.fd)

    def _gap(self, reason: str) -> bytes:
        return msgspec.json.encode(
            {
                "time": rfc3339(self._clock.now_ns()),
                "type": "gap",
                "custody": {"gap": {"reason": reason, "last": self.head}},
            }
        )


def _write(file: _File, lines: Sequence[bytes]) -> tuple[int, OSError | None]:
    """Append `lines`; how many are whole in the file, and what stopped the others."""
    data = b"".join(lines)
    done = 0
    for _ in range(_SHORT_WRITES):
        if done == len(data):
            return len(lines), None
        try:
            done = _write_once(file, data, done)
        except OSError as error:
            return data.count(b"\n", 0, done), error
    if done == len(data):
        return len(lines), None
    return data.count(b"\n", 0, done), OSError(errno.EIO, "writes are cut short")


def _write_once(file: _File, data: bytes, done: int) -> int:
    """Write from `done` on; up to where whole lines are in the file now. Raises OSError.

    A line that was cut is overwritten with spaces and begun again, never continued: another
    process may have appended by then.
    """
    count = os.write(file.fd, memoryview(data)[done:])
    end = os.lseek(file.fd, 0, os.SEEK_CUR)
    begin = end - count
    if begin not in {0, file.end} and os.pread(file.fd, 1, begin - 1) != b"\n":
        _overwrite(file.fd, begin - 1, b"\n")
    whole = data.rfind(b"\n", done, done + count) + 1
    torn = done + count - max(whole, done)
    if torn:
        _overwrite(file.fd, end - torn, b" " * (torn - 1) + b"\n")
    if whole:
        file.end = end - torn
        file.tail = data[max(whole - _TAIL, 0) : whole]
        return whole
    return done


def _overwrite(fd: int, offset: int, data: bytes) -> None:
    """Put `data` at `offset`. The open file only appends, so this takes a descriptor of its own."""
    other = os.open(f"/proc/self/fd/{fd}", os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.pwrite(other, data, offset)
    finally:
        os.close(other)
