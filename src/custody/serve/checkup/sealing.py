"""The secrets of an automatic seal: where they are kept, and who else can get at them."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from custody.base.diagnosis import Diagnosis, fail, warn, well
from custody.seals.kinds import KINDS
from custody.serve.checkup.place import nearest, unseen
from custody.serve.settings import SealStanza, Settings

_SEAL: Final = "seal"
_FILE: Final = "file://"
_OTHERS: Final = 0o077


def secrets(settings: Settings) -> Iterator[Diagnosis]:
    """Whether what opens the store lies apart from it, for the server's eyes alone."""
    for stanza in settings.seals:
        if not stanza.disabled:
            yield from _of(stanza, settings)


def _of(stanza: SealStanza, settings: Settings) -> Iterator[Diagnosis]:
    for option in KINDS[stanza.kind].secrets:
        text = stanza.options.get(option, "")
        if text.startswith(_FILE):
            yield from _file(Path(text.removeprefix(_FILE)), Path(settings.data_path))
        elif text:
            yield warn(
                _SEAL,
                f"{option} of seal {stanza.kind} stands in the configuration or in a variable,"
                " and so in copies of it and in the supervisor's memory",
                f'put it into a file of mode 0600 and write {option} = "{_FILE}/run/custody/key"',
            )


def _file(path: Path, data: Path) -> Iterator[Diagnosis]:
    try:
        status = path.stat()
    except OSError as error:
        yield fail(
            _SEAL,
            f"{path}: {error.strerror}",
            "put the key there for the user who runs the server, or correct the seal's option",
        )
        return
    if status.st_mode & _OTHERS:
        mode = f"{stat.S_IMODE(status.st_mode):04o}"
        yield fail(_SEAL, f"{path} is open to other users ({mode})", f"chmod 0600 {path}")
    elif not os.access(path, os.R_OK):
        yield warn(
            _SEAL,
            f"{path} is not readable for this user",
            "see that it belongs to the user who runs the server",
        )
    else:
        yield well(_SEAL, f"{path} is its owner's alone")
    present = nearest(data)
    if present is None:
        yield unseen(_SEAL, data)
    elif status.st_dev == present.stat().st_dev:
        yield warn(
            _SEAL,
            f"{path} is on the file system of the data: who has a copy of that has both",
            "keep it elsewhere, as in /run/custody, where something puts it at each start",
        )
