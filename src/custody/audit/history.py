"""Owns the search backwards through an audit file, and the files rotated from it, for commits."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from custody.base.clock import NANOSECOND, rfc3339

_BLOCK: Final = 1024 * 1024
_SLACK_NS: Final = 10 * NANOSECOND  # how far writers' records may stand out of order


class _Custody(msgspec.Struct):
    event_id: str = ""


class _Record(msgspec.Struct):
    type: str
    time: str
    custody: _Custody | None = None


def find_events(path: str, event_ids: set[str], since_ns: int) -> set[str]:
    """Those of `event_ids` that a whole record in the file at `path` carries.

    Reads from the end back to the first record older than `since_ns` by ten seconds; then the
    files beside it that begin with the same name and were changed since, newest first, unless
    they are compressed. Raises OSError, but not for a missing file.
    """
    floor = rfc3339(max(since_ns - _SLACK_NS, 0))
    missing = set(event_ids)
    for name in _files(path, since_ns - _SLACK_NS):
        if not missing:
            break
        missing -= _search(name, missing, floor)
    return event_ids - missing


def _files(path: str, since_ns: int) -> list[str]:
    parent, name = os.path.split(path)
    try:
        entries = [entry for entry in os.scandir(parent or ".") if entry.name.startswith(name)]
    except FileNotFoundError:
        return []
    recent = [
        (entry.name == name, entry.stat().st_mtime_ns, entry.path)
        for entry in entries
        if entry.is_file() and (entry.name == name or entry.stat().st_mtime_ns >= since_ns)
    ]
    return [found for _, _, found in sorted(recent, reverse=True)]


def _search(path: str, wanted: set[str], floor: str) -> set[str]:
    decoder = msgspec.json.Decoder(_Record)
    found: set[str] = set()
    for line in backwards(path):
        try:
            record = decoder.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            continue
        if record.time < floor:
            break
        if record.type == "response" and record.custody and record.custody.event_id in wanted:
            found.add(record.custody.event_id)
            if found == wanted:
                break
    return found


def backwards(path: str, block_size: int = _BLOCK) -> Iterator[bytes]:
    """The whole lines of the file, last first; what follows the last line end is not one."""
    with Path(path).open("rb", buffering=0) as file:
        position = file.seek(0, os.SEEK_END)
        rest, first = b"", True
        while position:
            size = min(block_size, position)
            position -= size
            block = os.pread(file.fileno(), size, position) + rest
            rest, *lines = block.split(b"\n")
            if first:
                lines, first = lines[:-1], not lines
            yield from reversed(lines)
        if not first:
            yield rest
