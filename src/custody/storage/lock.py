"""One server per data directory."""

import fcntl
import os
from pathlib import Path


class DataInUse(Exception):
    """Another server has this data directory."""


class DataLock:
    """Holds `<data>/LOCK` until it is released or its process ends, however it ends."""

    __slots__ = ("_file", "path")

    def __init__(self, data: Path) -> None:
        """Take the lock. Raises DataInUse, naming the holder's process, or OSError."""
        data.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.path = data / "LOCK"
        # Inheritable it is not (PEP 446): a child never keeps the lock of a dead supervisor.
        self._file = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.pread(self._file, 32, 0).decode("ascii", "replace").strip() or "unknown"
            os.close(self._file)
            raise DataInUse(
                f"{data} is in use by another custody server (process {holder})"
            ) from error
        os.ftruncate(self._file, 0)
        os.pwrite(self._file, f"{os.getpid()}\n".encode(), 0)

    def release(self) -> None:
        """Give the directory up."""
        os.close(self._file)
