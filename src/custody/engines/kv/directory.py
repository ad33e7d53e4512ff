"""The tree of names: finding, making and removing entries, and reading it in order.

No directory is empty but the root: entries come and go in one transaction with what they name.
"""

from collections.abc import Callable, Iterator

from custody.base.errors import BadRequest
from custody.base.ids import Source
from custody.engines.kv import entries
from custody.engines.kv.entries import ROOT_DIRECTORY
from custody.engines.kv.names import MAX_NAME, encode_name, encode_new_path, encode_path
from custody.plugin.storage import Storage

MAX_VISITS = 20_000  # directories that one scan may enter
_PAGE = 256

Find = Callable[[Storage, bytes, str, int], list[bytes]]
"""How names are found: `list_names` or `scan_paths`."""


def find_object(storage: Storage, path: str) -> bytes | None:
    """The id of the secret at `path`, or None. Raises BadRequest for a path over the limits."""
    *parents, name = encode_path(path)
    directory = _descend(storage, ROOT_DIRECTORY, parents)
    return None if directory is None else entries.read_entry(storage, directory, name)


def find_directory(storage: Storage, path: str) -> bytes | None:
    """The id of the directory at `path` (with or without a trailing slash; empty is the root)."""
    path = path.removesuffix("/")
    return _descend(storage, ROOT_DIRECTORY, encode_path(path)) if path else ROOT_DIRECTORY


def create_object(storage: Storage, source: Source, path: str) -> bytes:
    """Name a new object by `path`, which names none yet, and return its id.

    Raises BadRequest for a path over the limits or with an empty segment.
    """
    *parents, name = encode_new_path(path)
    directory = ROOT_DIRECTORY
    for parent in parents:
        child = entries.read_entry(storage, directory, parent + b"/")
        if child is None:
            child = _unused_directory(storage, source)
            entries.write_entry(storage, directory, parent + b"/", child)
        directory = child
    object_id = source.random(entries.OBJECT_ID)
    entries.write_entry(storage, directory, name, object_id)
    return object_id


def remove_object(storage: Storage, path: str) -> None:
    """Remove the secret's entry and every directory that this leaves empty."""
    *parents, name = encode_path(path)
    trail = [ROOT_DIRECTORY]
    for parent in parents:
        child = entries.read_entry(storage, trail[-1], parent + b"/")
        if child is None:
            return
        trail.append(child)
    entries.delete_entry(storage, trail.pop(), name)
    for parent, directory in zip(reversed(parents), reversed(trail), strict=True):
        below = entries.read_entry(storage, directory, parent + b"/")
        if below is None or entries.read_names(storage, below, b"", 1):
            return
        entries.delete_entry(storage, directory, parent + b"/")


def list_names(storage: Storage, directory: bytes, after: str, limit: int) -> list[bytes]:
    """Up to `limit` names in the directory that come after `after`, in order.

    Raises BadRequest when `after` is longer than any name.
    """
    start = encode_name(after)
    if len(start) > MAX_NAME:
        raise BadRequest(f"after is longer than {MAX_NAME} bytes")
    return entries.read_names(storage, directory, start, limit)


def scan_paths(storage: Storage, directory: bytes, after: str, limit: int) -> list[bytes]:
    """Up to `limit` paths of secrets below the directory that come after `after`, in order.

    Depth first in name order is the order of whole paths, because a directory's name ends in a
    slash and no other name holds one. Raises BadRequest when that takes more than MAX_VISITS
    directories.
    """
    pending = _start_after(storage, directory, encode_path(after))
    found: list[bytes] = []
    visits = len(pending)
    while pending and len(found) < limit:
        prefix, parent, names = pending[-1]
        name = next(names, None)
        if name is None:
            pending.pop()
        elif not name.endswith(b"/"):
            found.append(prefix + name)
        elif (child := entries.read_entry(storage, parent, name)) is not None:
            visits += 1
            if visits > MAX_VISITS:
                raise BadRequest(
                    f"the scan enters more than {MAX_VISITS} directories: use a smaller limit"
                )
            pending.append((prefix + name, child, _names(storage, child, b"")))
    return found


_Level = tuple[bytes, bytes, Iterator[bytes]]  # path so far, directory, its names still to come


def _start_after(storage: Storage, directory: bytes, after: list[bytes]) -> list[_Level]:
    """The levels of a scan that has just passed the path `after`, which need not exist."""
    *parents, last = after
    levels: list[_Level] = []
    prefix = b""
    for parent in parents:
        name = parent + b"/"
        levels.append((prefix, directory, _names(storage, directory, name)))
        child = entries.read_entry(storage, directory, name)
        if child is None:
            return levels
        prefix, directory = prefix + name, child
    levels.append((prefix, directory, _names(storage, directory, last)))
    return levels


def _names(storage: Storage, directory: bytes, after: bytes) -> Iterator[bytes]:
    while names := entries.read_names(storage, directory, after, _PAGE):
        yield from names
        if len(names) < _PAGE:
            return
        after = names[-1]


def _descend(storage: Storage, directory: bytes, parents: list[bytes]) -> bytes | None:
    for parent in parents:
        child = entries.read_entry(storage, directory, parent + b"/")
        if child is None:
            return None
        directory = child
    return directory


def _unused_directory(storage: Storage, source: Source) -> bytes:
    """A random id that no directory has: with eight bytes and many millions it must be checked."""
    while True:
        drawn = source.random(entries.DIRECTORY_ID)
        if drawn != ROOT_DIRECTORY and not entries.read_names(storage, drawn, b"", 1):
            return drawn
