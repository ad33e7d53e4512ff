"""The file that keeps the token of a login, readable by its owner only."""

from pathlib import Path

from custody.base import files
from custody.base.secret import Secret
from custody.cli.errors import UsageError


def read(path: Path) -> Secret[str] | None:
    """The token in `path`, or None when there is no file or nothing in it. Raises UsageError."""
    try:
        text = path.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read the token file {path}: {_reason(error)}") from error
    return Secret(text) if text else None


def store(path: Path, token: Secret[str]) -> None:
    """Replace `path` in one step by a file of mode 0600 with the token. Raises UsageError.

    A link is replaced, not followed.
    """
    try:
        files.replace(path, token.reveal().encode(), 0o600)
    except OSError as error:
        raise UsageError(f"cannot write the token file {path}: {_reason(error)}") from error


def erase(path: Path) -> None:
    """Remove the file, if there is one. Raises UsageError."""
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise UsageError(f"cannot remove the token file {path}: {_reason(error)}") from error


def _reason(error: OSError | UnicodeDecodeError) -> str:
    return (error.strerror or "it failed") if isinstance(error, OSError) else "it is not text"
