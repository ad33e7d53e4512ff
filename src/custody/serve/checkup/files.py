"""The data directory and the audit files: are they there, whose are they, is there room."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from custody.base.diagnosis import Diagnosis, fail, warn, well
from custody.serve.checkup.place import nearest, unseen
from custody.serve.settings import Settings
from custody.storage.layout import file_system, is_network

_DATA: Final = "data directory"
_AUDIT: Final = "audit devices"
_OTHERS: Final = 0o077  # permissions of anybody but the owner
_ROOM: Final = 4  # times the low-water mark, below which it is time to make room
_MIB: Final = 1024 * 1024
_MOUNTS: Final = Path("/proc/self/mountinfo")
_NO_FILE: Final = frozenset({"stdout", "discard"})


def data_directory(settings: Settings) -> Iterator[Diagnosis]:
    """Whether data can be kept, by the server alone, and for how long."""
    path = Path(settings.data_path)
    present = nearest(path)
    if present is None:
        yield unseen(_DATA, path)
        return
    if present != path:
        if os.access(present, os.W_OK):
            yield well(_DATA, f"{path} is made at the first start")
        else:
            yield fail(
                _DATA,
                f"{path} is not there, and {present} is not writable",
                f"install -d -m 0700 -o USER {path}, USER being who runs the server",
            )
    else:
        yield from _ours(path)
    kind = file_system(present, _MOUNTS.read_text())
    if is_network(kind):
        yield fail(
            _DATA,
            f"{present} is on a network file system ({kind})",
            "keep it on a local disk: locks and maps do not hold over a network",
        )
    elif kind == "tmpfs":
        yield warn(_DATA, f"{present} is in memory", "keep it on a disk: a restart empties it")
    yield from _space(_DATA, present, settings.low_water)


def _ours(path: Path) -> Iterator[Diagnosis]:
    try:
        status = path.stat()
    except OSError as error:
        yield fail(_DATA, f"{path}: {error.strerror}", "run this as the user who runs the server")
        return
    if not stat.S_ISDIR(status.st_mode):
        yield fail(_DATA, f"{path} is no directory", 'name a directory in storage "lmdb"')
        return
    if status.st_mode & _OTHERS:
        yield fail(_DATA, f"{path} is open to other users ({_mode(status)})", f"chmod 0700 {path}")
    else:
        yield well(_DATA, f"{path} is its owner's alone")
    if not os.access(path, os.R_OK | os.W_OK | os.X_OK):
        yield warn(
            _DATA,
            f"{path} is not writable for this user",
            "see that it belongs to the user who runs the server",
        )


def audit_devices(settings: Settings) -> Iterator[Diagnosis]:
    """Whether requests are recorded, where nobody else reads, and whether there is room."""
    files = [
        Path(device.options["file_path"])
        for device in settings.audit
        if device.options.get("file_path", "stdout") not in _NO_FILE
    ]
    if not settings.audit:
        yield warn(
            _AUDIT,
            "the configuration declares none",
            'add audit "file" "file" { options { file_path = "/var/log/custody/audit.log" } }'
            ", or see that one is enabled through the API",
        )
    for path in files:
        present = nearest(path)
        if present is None:
            yield unseen(_AUDIT, path)
            continue
        yield from _audit_file(path, present)
        if path.parent.is_dir():
            yield from _space(_AUDIT, path.parent, settings.low_water)


def _audit_file(path: Path, present: Path) -> Iterator[Diagnosis]:
    wanted = os.W_OK if present == path else os.W_OK | os.X_OK
    if not os.access(present, wanted):
        yield fail(
            _AUDIT,
            f"{present} is not writable for this user",
            "give it to the user who runs the server: without a record nothing is answered",
        )
    elif present == path and path.stat().st_mode & _OTHERS:
        yield warn(
            _AUDIT, f"{path} is open to other users ({_mode(path.stat())})", f"chmod 0600 {path}"
        )
    else:
        yield well(_AUDIT, f"{path} can be written")


def _space(subject: str, path: Path, low_water: int) -> Iterator[Diagnosis]:
    status = os.statvfs(path)
    free = status.f_bavail * status.f_frsize
    text = f"{free // _MIB} MiB are free at {path}"
    if free < low_water:
        yield fail(
            subject,
            f"{text}, below the mark of {low_water // _MIB} MiB",
            "make room: new data is refused with 507",
        )
    elif free < _ROOM * low_water:
        yield warn(subject, text, f"make room: below {low_water // _MIB} MiB new data is refused")
    else:
        yield well(subject, text)


def _mode(status: os.stat_result) -> str:
    return f"{stat.S_IMODE(status.st_mode):04o}"
