"""Replaces a file of the user's in one step: nobody reads half of it, a crash leaves the old."""

import contextlib
import os
import tempfile
from pathlib import Path


def replace(path: Path, content: bytes, mode: int | None = None) -> None:
    """Put `content` in place of what is at `path`. Raises OSError.

    `mode` None keeps the mode of the file that was there. A link is replaced, not followed.
    """
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f"{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fchmod(file.fileno(), path.stat().st_mode & 0o777 if mode is None else mode)
            os.fsync(file.fileno())
        Path(name).replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            Path(name).unlink()
        raise
