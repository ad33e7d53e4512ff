"""Puts files in the place of others: whole or not at all, and for whom they are meant."""

import contextlib
import os
import tempfile
from pathlib import Path
from typing import IO


def replace(path: Path, content: bytes, mode: int | None = None) -> None:
    """Put `content` in place of what is at `path`, for good when this returns. Raises OSError.

    `mode` None keeps the mode of the file that was there. A link is replaced, not followed. Several
    processes may do this at once: one of them is the last.
    """
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fchmod(file.fileno(), path.stat().st_mode & 0o777 if mode is None else mode)
            sync(file)
        rename(Path(name), path)
    except OSError:
        with contextlib.suppress(OSError):
            Path(name).unlink()
        raise


def create(path: Path) -> IO[bytes]:
    """A new file that its owner alone may read, in place of what is at `path`. Raises OSError.

    A link is replaced, not followed, and the mode of a file that was there is not kept.
    """
    path.unlink(missing_ok=True)
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")


def sync(file: IO[bytes]) -> None:
    """Return once all that was written is on the disk. Raises OSError."""
    file.flush()
    os.fsync(file.fileno())


def rename(draft: Path, target: Path) -> None:
    """Put a synced draft in the place of `target`, for good when this returns. Raises OSError."""
    draft.replace(target)
    folder = os.open(target.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
