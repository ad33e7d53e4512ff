"""A check of everything stored: each row opens in its place, each table has the rows it counted.

Never raises for damage and never repairs: it says what is wrong. The view must stay open until
the iterator ends, so the scrub runs where no request waits for it.
"""

from collections.abc import Iterator

from custody.barrier.digest import Sum
from custody.barrier.envelope import UnknownTerm
from custody.barrier.finding import Finding
from custody.barrier.keys import Keys
from custody.barrier.log import read_entries
from custody.barrier.meta import verify_meta
from custody.barrier.rows import ENCRYPTED, LOGGED, after_key
from custody.base.store import RawRows, Table, Tampered

_MODULUS = 1 << 256


def scrub(raw: RawRows, keys: Keys, batch: int = 500) -> Iterator[list[Finding]]:
    """Findings after each batch of rows (mostly none), until all tables and the log are done."""
    yield verify_meta(raw, keys.keyring) + _counts(raw, keys)
    yield _strangers(raw)
    for table in sorted(ENCRYPTED):
        yield from scrub_table(raw, keys, table, batch)
    yield from keys.books.log.verify(raw, batch)
    yield from _positions(raw, keys, batch)


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
        yield _compare(raw, keys, table, Sum(count, total % _MODULUS, 0))


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
