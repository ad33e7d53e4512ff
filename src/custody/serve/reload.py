"""A changed configuration on a running node: what of it is taken, and how the processes learn it.

The supervisor posts the settings on a board, an unlinked memory file that every process inherits,
and then signals. A process that read while the supervisor wrote reads again: another signal comes.
"""

import os
from collections.abc import Iterator

import msgspec

from custody.serve.settings import Listener, Settings

_CHUNK = 1 << 16
# What a process cannot change while it runs: the store is open, the sockets are bound.
_FIXED = ("data_path", "low_water", "workers", "pin_workers", "cluster_name", "api_addr",
          "default_lease_ttl", "max_lease_ttl", "seals")  # fmt: skip


def board() -> int:
    """The descriptor of a new, empty board."""
    return os.memfd_create("custody-settings", os.MFD_CLOEXEC)


def post(fd: int, settings: Settings) -> None:
    """Replace what is on the board, without keys: all read it. For the supervisor alone."""
    data = msgspec.json.encode(settings.without_keys())
    os.ftruncate(fd, 0)
    written = 0
    while written < len(data):
        written += os.pwrite(fd, data[written:], written)


def posted(fd: int) -> Settings | None:
    """What is on the board; None while it is empty or being written."""
    data, offset = b"", 0
    while chunk := os.pread(fd, _CHUNK, offset):
        data, offset = data + chunk, offset + len(chunk)
    try:
        return msgspec.json.decode(data, type=Settings)
    except msgspec.MsgspecError:
        return None


def merged(running: Settings, found: Settings) -> tuple[Settings, list[str]]:
    """What a running node takes of `found`, and what it leaves for the next start."""
    fixed = {name: getattr(running, name) for name in _FIXED}
    left = [name for name in _FIXED if getattr(found, name) != fixed[name]]
    listeners = list(_listeners(running.listeners, found.listeners))
    if [_place(one) for one in running.listeners] != [_place(one) for one in found.listeners]:
        left.append("listener")
    return msgspec.structs.replace(found, **fixed, listeners=listeners), left


def _place(listener: Listener) -> object:
    return listener.file or listener.address


def _listeners(running: list[Listener], found: list[Listener]) -> Iterator[Listener]:
    """The listeners that there are, each with its new settings, if it still stands there."""
    rest = list(found)
    for listener in running:
        same = next((one for one in rest if one.address == listener.address), None)
        if same is not None:
            rest.remove(same)
        yield listener if same is None else msgspec.structs.replace(same, file=listener.file)
