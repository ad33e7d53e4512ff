"""Small authenticated rows, and the sums that a commit moves."""

from struct import Struct

import pytest

from custody.barrier.digest import digest_key
from custody.barrier.keyring import new_keyring
from custody.barrier.keys import Keys
from custody.barrier.points import PointRows
from custody.barrier.transaction import BarrierTransaction
from custody.base.ids import SystemSource
from custody.base.store import Table, Tampered
from custody.storage.memory import MemoryStore
from custody.storage.overlay import Grouped

SOURCE = SystemSource()


@pytest.mark.parametrize("size", range(60))
def test_a_row_of_any_other_length_is_damage(size: int) -> None:
    points = PointRows(bytes(32), "root", "test", Struct(">Q"))
    place = bytes([Table.DIGEST, Table.ENGINE])
    with pytest.raises(Tampered):
        points.get({place: b"\x01" * size}, place)


def test_a_job_that_meets_damage_half_way_leaves_nothing_in_the_sums() -> None:
    keys, store = Keys(new_keyring(1, SOURCE), "root"), MemoryStore()
    store.load([(digest_key(Table.POLICY), bytes(10))])
    with store.snapshot() as below:
        rows = Grouped(below)

        def run(*tables: Table) -> None:
            layer = rows.layer()
            transaction = BarrierTransaction(layer, keys, SOURCE)
            for table in tables:
                transaction.put(table, b"key", b"value")
            transaction.finish(1, "", 0)
            rows.take(layer)

        with pytest.raises(Tampered):
            run(Table.ENGINE, Table.POLICY)
        run(Table.TOKEN)
        rows.commit.close(rows)
        assert digest_key(Table.ENGINE) not in rows.changes
        assert keys.books.digests.read(rows, Table.TOKEN).rows == 1
        assert keys.books.log.head(rows).position == 1
