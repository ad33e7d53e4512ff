"""An entry of the change log as it is stored."""

from typing import NamedTuple

from custody.base.record import Record

Operation = tuple[int, bytes, bytes]  # PUT or DELETE, raw key, SHA-256 of the ciphertext or empty


class Entry(Record, frozen=True, kw_only=True):
    """One commit. `time_ns` is since the epoch and at least that of the entry before."""

    shard: str
    position: int
    epoch: int
    time_ns: int
    request_id: str = ""
    flags: int = 0
    operations: list[Operation]


class Point(NamedTuple):
    """An end of the log: a position, that entry's time and MAC, and the bytes logged until then."""

    position: int
    time_ns: int
    mac: bytes
    size: int
