"""`custody operator snapshot`: the whole store to a file, and back."""

import os
from pathlib import Path
from typing import IO, Any, Final

from custody.base import files
from custody.cli.command import FORMAT, Command, Context, Example
from custody.cli.errors import RemoteError, UsageError
from custody.cli.flags import Flag, Kind
from custody.cli.progress import Progress

_PATH: Final = "sys/storage/snapshot"
_STEP: Final = 16  # MiB between two lines where there is no bar
_MIB: Final = 1024 * 1024
_SECONDS: Final = 600.0  # the server checks and builds before it answers


def save(context: Context) -> int:
    """Save to a file; it has its name once it is whole."""
    target = Path(context.arguments[0])
    draft = target.with_name(f".{target.name}.partial")
    client = context.client().patient(_SECONDS)
    try:
        with _created(draft) as file, context.progress("Saving") as progress:
            counted = _Counted(file, progress, 0)
            client.download(_PATH, counted.write)
            files.sync(file)
        rows = _inspect(draft)["rows"]
        files.rename(draft, target)
    except RemoteError as error:
        raise error.about("Error saving the snapshot") from error
    finally:
        draft.unlink(missing_ok=True)
    return context.done(f"Success! Saved {rows} rows to: {target}")


def restore(context: Context) -> int:
    """Restore from a file, which is looked at before it is sent."""
    source = context.arguments[0]
    path = f"{_PATH}-force" if context.options.switch("force") else _PATH
    _inspect(Path(source))
    client = context.client().patient(_SECONDS)
    try:
        with _opened(source) as file, context.progress("Restoring") as progress:
            size = os.fstat(file.fileno()).st_size
            client.upload(path, _Counted(file, progress, size), size)
    except RemoteError as error:
        raise error.about("Error restoring the snapshot") from error
    return context.done(f"Success! Restored the snapshot: {source}")


def inspect(context: Context) -> int:
    """Say what a file holds. No server is asked."""
    return context.show(_inspect(Path(context.arguments[0])))


def _inspect(path: Path) -> dict[str, Any]:
    # Only these commands pay for what reads rows.
    from custody.base.errors import BadRequest  # noqa: PLC0415
    from custody.core import snapshots  # noqa: PLC0415

    with _opened(str(path)) as file:
        try:
            header, rows = snapshots.inspect(file)
        except BadRequest as error:
            raise UsageError(f"{path}: {error.messages[0]}") from error
    return {
        "cluster_id": header.cluster_id,
        "cluster_name": header.cluster_name,
        "format": header.format,
        "position": header.position,
        "rows": rows,
        "size": path.stat().st_size,
        "time": header.time,
        "version": header.version,
    }


def _created(path: Path) -> IO[bytes]:
    try:
        return files.create(path)
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}") from error


def _opened(path: str) -> IO[bytes]:
    try:
        return open(path, "rb")  # noqa: PTH123 - closed by the caller
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from error


class _Counted:
    """A file that shows how much of it has passed."""

    def __init__(self, file: IO[bytes], progress: Progress, total: int) -> None:
        self._file = file
        self._progress = progress
        self._total = total
        self._done = 0

    def read(self, size: int = -1) -> bytes:
        """As the file's."""
        data = self._file.read(size)
        self._passed(len(data))
        return data

    def write(self, data: bytes) -> None:
        """As the file's."""
        self._file.write(data)
        self._passed(len(data))

    def _passed(self, size: int) -> None:
        self._done += size
        steps = self._done // (_STEP * _MIB)
        self._progress.show(self._done, self._total, f"{steps * _STEP} MiB" if steps else "")


_FORCE: Final = (
    Flag("force", "Take the snapshot of another store: nothing here stays.", Kind.SWITCH),
)


def _commands(group: str) -> tuple[Command, ...]:
    return (
        Command(
            f"{group} save",
            "Save the whole store to a file, while the server serves.",
            (Example("A backup:", f"custody {group} save backup.snap"),),
            save,
            "FILE",
            (1, 1),
        ),
        Command(
            f"{group} restore",
            "Restore the store from a file. Tokens stay as they are; so does what was destroyed.",
            (
                Example("Back to the backup:", f"custody {group} restore backup.snap"),
                Example("Into a server that was never initialised, then unseal with its shares:",
                        f"custody {group} restore -address=http://127.0.0.1:8300 backup.snap"),
            ),
            restore,
            "FILE",
            (1, 1),
            _FORCE,
        ),
        Command(
            f"{group} inspect",
            "Print what a file holds, and whether it is whole.",
            (Example("Is it whole?", f"custody {group} inspect backup.snap"),),
            inspect,
            "FILE",
            (1, 1),
            shared=FORMAT,
        ),
    )  # fmt: skip


COMMANDS = (*_commands("operator snapshot"), *_commands("operator raft snapshot"))
