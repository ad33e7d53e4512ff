"""A check of everything stored: each row opens in its place, each table has the rows it counted.

Never raises for damage and never repairs: it says what is wrong. The view must stay open until
the iterator ends, so the scrub runs where no request waits for it.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from custody.barrier.counter import count_key
from custody.barrier.digest import MODULUS, Sum, digest_key
from custody.barrier.envelope import UnknownTerm
from custody.barrier.finding import Finding
from custody.barrier.keys import Keys
from custody.barrier.log import HEAD, TAIL, read_entries
from custody.barrier.meta import MetaRow, meta_key, verify_meta
from custody.barrier.rows import ENCRYPTED, LOGGED, after_key
from custody.base.store import RawRows, Table, Tampered


class Checked(NamedTuple):
    """One batch: the part that it belongs to, how many rows were read, what is wrong with them."""

    part: str
    rows: int
    findings: list[Finding]


def scrub(
    raw: RawRows, keys: Keys, batch: int = 500, parts: Sequence[str] | None = None
) -> Iterator[Checked]:
    """Findings after each batch of rows (mostly none), until all of `parts` are done.

    Parts do not depend on each other: each may be checked on a snapshot of its own. Without
    `parts` it is all of PARTS. Raises KeyError for one that is not among them.
    """
    counted = _Counted(raw)
    for part in PARTS if parts is None else parts:
        for findings in _CHECKS[part](counted, keys, batch):
            yield Checked(part, counted.take(), findings)


def scrub_table(
    raw: RawRows, keys: Keys, table: Table, batch: int = 500
) -> Iterator[list[Finding]]:
    """Open every row of one table and compare its count and sum."""
    count = total = 0
    start, stop = bytes([table]), bytes([table + 1])
    while rows := raw.scan(start, stop, batch):
        findings = []
        for place, ciphertext in rows:
            count += 1
            if table in LOGGED:
                total += keys.books.digests.element(place, ciphertext)
            try:
                keys.envelopes.open(table, place[1:], ciphertext)
            except Tampered as error:
                findings.append(Finding.of(error))
            except UnknownTerm as error:
                findings.append(Finding(table.name, place[1:], f"unknown term {error.term}"))
        start = after_key(rows[-1][0])
        yield findings
    if table in LOGGED:
        yield _compare(raw, keys, table, Sum(count, total % MODULUS, 0))


class _Counted:
    """Rows that are counted as they are scanned."""

    __slots__ = ("_raw", "_rows", "get")

    def __init__(self, raw: RawRows) -> None:
        self._raw = raw
        self._rows = 0
        self.get = raw.get

    def scan(self, start: bytes, stop: bytes, limit: int) -> list[tuple[bytes, bytes]]:
        """As the rows behind it."""
        found = self._raw.scan(start, stop, limit)
        self._rows += len(found)
        return found

    def keys(self, start: bytes, stop: bytes, limit: int) -> list[bytes]:
        """As the rows behind it."""
        return self._raw.keys(start, stop, limit)

    def take(self) -> int:
        """How many rows since the last time this was asked."""
        rows, self._rows = self._rows, 0
        return rows


def _compare(raw: RawRows, keys: Keys, table: Table, found: Sum) -> list[Finding]:
    try:
        known = keys.books.digests.read(raw, table)
    except Tampered as error:
        return [Finding.of(error)]
    if found.rows != known.rows:
        return [Finding(table.name, b"", f"has {found.rows} rows where {known.rows} were counted")]
    if found.total != known.total:
        return [Finding(table.name, b"", "has not the rows that were written")]
    return []


def _meta(raw: RawRows, keys: Keys, batch: int) -> Iterator[list[Finding]]:
    """The rows in clear, the encryption counts, and what is in no table."""
    del batch
    yield verify_meta(raw, keys.keyring) + _counts(raw, keys)
    yield _strangers(raw) + _unknown(raw, keys)


def _log(raw: RawRows, keys: Keys, batch: int) -> Iterator[list[Finding]]:
    yield from keys.books.log.verify(raw, batch)
    yield from _positions(raw, keys, batch)


def _counts(raw: RawRows, keys: Keys) -> list[Finding]:
    findings = []
    for term in range(1, keys.keyring.term + 1):
        try:
            keys.books.counter.reserved(raw, term)
        except Tampered as error:
            findings.append(Finding.of(error))
    return findings


def _strangers(raw: RawRows) -> list[Finding]:
    """Rows outside all tables: nothing wrote them."""
    findings, start = [], b"\x00"
    for table in [*sorted(Table), None]:
        stop = b"\xff" * 8 if table is None else bytes([table])
        rows = raw.scan(start, stop, 1)
        findings += [Finding("none", place, "is in no table") for place, _ in rows]
        start = stop if table is None else bytes([table + 1])
    return findings


def _unknown(raw: RawRows, keys: Keys) -> list[Finding]:
    """Rows of META and DIGEST under a name that they do not have: a row whose key was changed."""
    known = {meta_key(name) for name in MetaRow} | {HEAD, TAIL}
    known |= {count_key(term) for term in range(1, keys.keyring.term + 1)}
    known |= {digest_key(table) for table in LOGGED}
    return [
        Finding(table.name, place[1:], "is no row of this table")
        for table in (Table.META, Table.DIGEST)
        for place, _ in raw.scan(bytes([table]), bytes([table + 1]), len(known) + 1)
        if place not in known
    ]


def _positions(raw: RawRows, keys: Keys, batch: int) -> Iterator[list[Finding]]:
    """Each table's sum is as new as the last log entry that touched the table."""
    newest: dict[int, int] = {}
    try:
        position = keys.books.log.tail(raw).position
        while entries := read_entries(raw, position, batch):
            position = entries[-1].position
            for entry in entries:
                newest.update((place[0], entry.position) for _, place, _ in entry.operations)
            yield []
        stale = [
            table
            for table in LOGGED
            if keys.books.digests.read(raw, table).position < newest.get(table, 0)
        ]
    except Tampered:
        return  # named already by the checks before
    yield [Finding(table.name, b"", "is older than the log") for table in stale]


_Check = Callable[[RawRows, Keys, int], Iterator[list[Finding]]]


def _of(table: Table) -> _Check:
    return lambda raw, keys, batch: scrub_table(raw, keys, table, batch)


_CHECKS: Mapping[str, _Check] = MappingProxyType(
    {"META": _meta, **{table.name: _of(table) for table in sorted(ENCRYPTED)}, "LOG": _log}
)
PARTS = tuple(_CHECKS)
