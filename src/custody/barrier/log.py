"""The change log: what was committed, in order, each entry chained to the one before by HMAC.

An entry's row is `HMAC-SHA256(32) | encoded Entry` under its position (8 bytes, big endian); the
MAC is over the previous entry's MAC and the encoded entry. Two authenticated rows in META hold the
ends: `head`, the newest entry, and `tail`, the newest one that was trimmed away. Time in the log
never goes back: it is the floor below which no expiry is believed.
"""

from collections.abc import Iterator
from struct import Struct
from typing import NamedTuple

from custody.barrier.entry import Entry, Operation, Point
from custody.barrier.finding import Finding
from custody.barrier.keyring import Keyring
from custody.barrier.points import PointRows
from custody.barrier.rows import after_key
from custody.base.codec import CorruptRecord, decode, encode
from custody.base.store import RawRows, RawTransaction, Table, Tampered
from custody.crypto import mac

PUT, DELETE = 1, 2
ESSENTIAL = 1
EPOCH = 1  # of the shard's owner; rises when ownership of shards comes
HEAD = bytes([Table.META]) + b"log/head"
TAIL = bytes([Table.META]) + b"log/tail"
_START = bytes(mac.SIZE)
_POINT = Struct(">QQ32sQ")
_LOG = bytes([Table.LOG])
_END = bytes([Table.LOG + 1])


class Retention(NamedTuple):
    """What of the log is kept: at least the newest `entries`; of the others, those that are not
    older than `since_ns` while the whole log has no more than `size` bytes."""

    entries: int
    since_ns: int
    size: int


class Log:
    """Appends to, trims and verifies the log of one shard. One thread uses it."""

    __slots__ = ("_authenticator", "_points", "_shard")

    def __init__(self, keyring: Keyring, shard: str) -> None:
        self._shard = shard
        self._authenticator = mac.Authenticator(keyring.derive("log entry", context=shard.encode()))
        self._points = PointRows(keyring.derive("log point"), shard, "log", _POINT)

    def head(self, raw: RawRows) -> Point:
        """The newest entry's point; position 0 when there is none yet. Raises Tampered."""
        return self._point(raw, HEAD)

    def tail(self, raw: RawRows) -> Point:
        """The newest trimmed entry's point; position 0 when all are there. Raises Tampered."""
        return self._point(raw, TAIL)

    def following(
        self, last: Point, operations: list[Operation], now_ns: int, request_id: str, flags: int
    ) -> tuple[bytes, Point]:
        """The row of the entry that comes after `last`, and the head that it makes."""
        entry = Entry(
            schema=Entry.SCHEMA,  # spares `encode` a copy
            shard=self._shard,
            position=last.position + 1,
            epoch=EPOCH,
            time_ns=max(now_ns, last.time_ns),
            request_id=request_id,
            flags=flags,
            operations=operations,
        )
        body = encode(entry)
        tag = self._authenticator.mac(last.mac + body)
        size = last.size + len(tag) + len(body)
        return tag + body, Point(entry.position, entry.time_ns, tag, size)

    def set_head(self, raw: RawTransaction, head: Point) -> None:
        """Make `head`, whose entry and those before it are there, the newest."""
        self._points.put(raw, HEAD, *head)

    def forget(self, raw: RawTransaction) -> None:
        """Begin anew after the newest entry: those before it are not there."""
        self._points.put(raw, TAIL, *self.head(raw))

    def trim(self, raw: RawTransaction, keep: Retention, batch: int = 500) -> int:
        """Remove up to `batch` of the oldest entries that need not be kept; how many went."""
        last, tail = self.head(raw), self.tail(raw)
        removed = 0
        end = entry_key(max(0, last.position - keep.entries) + 1)
        for place, row in raw.scan(_LOG, end, batch):
            entry = _decode(place, row)
            if entry.time_ns >= keep.since_ns and last.size - tail.size <= keep.size:
                break
            raw.delete(place)
            tail = Point(entry.position, entry.time_ns, row[: mac.SIZE], tail.size + len(row))
            removed += 1
        if removed:
            self._points.put(raw, TAIL, *tail)
        return removed

    def verify(self, raw: RawRows, batch: int = 500) -> Iterator[list[Finding]]:
        """Check the chain from tail to head; findings after each batch, and never an exception."""
        ends = self._ends(raw)
        if isinstance(ends, Finding):
            yield [ends]
            return
        last, previous = ends
        start = _LOG
        while rows := raw.scan(start, _END, batch):
            findings: list[Finding] = []
            for place, row in rows:
                previous = self._follow(previous, place, row, findings)
            start = after_key(rows[-1][0])
            yield findings
        if previous != last:
            yield [Finding("LOG", HEAD[1:], "the log does not end where its head says")]

    def _ends(self, raw: RawRows) -> tuple[Point, Point] | Finding:
        try:
            return self.head(raw), self.tail(raw)
        except Tampered as error:
            return Finding.of(error)

    def _follow(self, previous: Point, place: bytes, row: bytes, findings: list[Finding]) -> Point:
        """Check one entry against the one before it; what the next is checked against."""
        tag, body = row[: mac.SIZE], row[mac.SIZE :]
        position, time_ns = int.from_bytes(place[1:9], "big"), previous.time_ns
        if position != previous.position + 1:
            findings.append(Finding("LOG", place[1:], "an entry is missing before this one"))
        try:
            self._authenticator.verify(previous.mac + body, tag)
            time_ns = _decode(place, row).time_ns
        except mac.WrongMAC:
            findings.append(Finding("LOG", place[1:], "does not follow from the entry before"))
        except Tampered as error:
            findings.append(Finding.of(error))
        return Point(position, time_ns, tag, previous.size + len(row))

    def _point(self, raw: RawRows, place: bytes) -> Point:
        fields = self._points.get(raw, place)
        return Point(0, 0, _START, 0) if fields is None else Point(*fields)  # type: ignore[arg-type]  # the shape is _POINT


def entry_key(position: int) -> bytes:
    """The raw key of the entry at `position`."""
    return _LOG + position.to_bytes(8, "big")


def read_entries(raw: RawRows, after: int, limit: int = 500) -> list[Entry]:
    """Up to `limit` entries after the position `after`, unauthenticated. Raises Tampered."""
    rows = raw.scan(entry_key(after + 1), _END, limit)
    return [_decode(place, row) for place, row in rows]


def _decode(place: bytes, row: bytes) -> Entry:
    try:
        entry = decode(Entry, row[mac.SIZE :])
    except CorruptRecord as error:
        raise Tampered("LOG", place[1:], "is not an entry") from error
    if entry.position != int.from_bytes(place[1:], "big"):  # which may be no position at all
        raise Tampered("LOG", place[1:], "is not the entry of its position")
    return entry
