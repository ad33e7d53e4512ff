"""Checks a store's rows while somebody reads all of them: each table's sum, and the log's chain."""

from custody.barrier.digest import MODULUS
from custody.barrier.keyring import Keyring
from custody.barrier.keys import Books
from custody.barrier.rows import LOGGED
from custody.base.store import RawRows, Table, Tampered

_BATCH = 16


class Passing:
    """The sums of the rows that have passed. Used by one thread at a time."""

    def __init__(self, raw: RawRows, keyring: Keyring, shard: str) -> None:
        """Raises Tampered where the log's head does not authenticate."""
        self._raw = raw
        self._books = Books(keyring, shard)
        self._sums: dict[int, list[int]] = {table: [0, 0] for table in LOGGED}
        self.position = self._books.log.head(raw).position

    def row(self, place: bytes, ciphertext: bytes) -> None:
        """One row, by its raw key."""
        sums = self._sums.get(place[0])
        if sums is not None:
            sums[0] += 1
            sums[1] += self._books.digests.element(place, ciphertext)

    def finish(self) -> None:
        """All rows have passed. Raises Tampered where they are not those that were written."""
        for table, (rows, total) in self._sums.items():
            known = self._books.digests.read(self._raw, table)
            if (known.rows, known.total) != (rows, total % MODULUS):
                raise Tampered(Table(table).name, b"", "has not the rows that were written")
        for findings in self._books.log.verify(self._raw, _BATCH):
            for finding in findings:
                raise Tampered(finding.table, finding.key, finding.reason)
