"""Where a path leads on this machine, as far as the user who asks may see."""

from pathlib import Path

from custody.base.diagnosis import Diagnosis, fail


def nearest(path: Path) -> Path | None:
    """The path, or the nearest above it that is there; None where this user may not look."""
    for one in (path, *path.absolute().parents):
        try:
            one.stat()
        except PermissionError:
            return None
        except OSError:
            continue
        return one
    return None


def unseen(subject: str, path: Path) -> Diagnosis:
    """What is found where `nearest` found nothing."""
    return fail(
        subject,
        f"{path} is hidden from this user, who may not search a directory above it",
        "run this as the user who runs the server",
    )
