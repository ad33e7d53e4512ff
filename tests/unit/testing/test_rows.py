"""The rows in memory keep the contract of the store, and refuse what the store would refuse."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from custody.base.store import MAX_KEY, MAX_TRANSACTION_KEYS, Rows, Table, Transaction
from custody.testing.rows import MemoryRows

KEYS = st.binary(max_size=3)


def as_transaction(rows: MemoryRows) -> tuple[Rows, Transaction]:
    return rows, rows


def test_what_is_put_is_got_until_it_is_deleted() -> None:
    rows = MemoryRows()
    before = rows.changed
    rows.put(Table.POLICY, b"a", b"1")
    rows.put(Table.TOKEN, b"a", b"2")
    assert as_transaction(rows)[0].get(Table.POLICY, b"a") == b"1"
    assert (before, rows.changed) == (False, True)
    assert rows.delete(Table.POLICY, b"a")
    assert not rows.delete(Table.POLICY, b"a")
    assert rows.get(Table.POLICY, b"a") is None
    assert rows.get(Table.TOKEN, b"a") == b"2"


@given(st.dictionaries(KEYS, KEYS, max_size=20), KEYS, KEYS, st.integers(1, 8))
def test_a_scan_is_the_sorted_rows_of_a_prefix(
    values: dict[bytes, bytes], prefix: bytes, after: bytes, limit: int
) -> None:
    rows = MemoryRows()
    for key, value in values.items():
        rows.put(Table.POLICY, key, value)
    rows.put(Table(Table.POLICY - 1), b"z", b"")
    rows.put(Table(Table.POLICY + 1), b"", b"")
    expected = sorted(
        (key, value)
        for key, value in values.items()
        if key.startswith(prefix) and (not after or key > prefix + after)
    )[:limit]
    assert rows.scan(Table.POLICY, prefix, after, limit) == expected
    assert rows.keys(Table.POLICY, prefix, after, limit) == [key for key, _ in expected]


def test_memo_decodes_once_for_each_value_and_fills_the_read_set() -> None:
    rows = MemoryRows()
    calls: list[bytes] = []

    def decode(data: bytes) -> int:
        calls.append(data)
        return int(data)

    rows.put(Table.POLICY, b"a", b"1")
    view = rows.snapshot()
    assert [view.memo(Table.POLICY, b"a", decode) for _ in range(2)] == [1, 1]
    assert view.memo(Table.POLICY, b"b", decode) is None
    assert view.reads == {b"\x12a": b"1", b"\x12b": None}
    rows.put(Table.POLICY, b"a", b"2")
    assert rows.memo(Table.POLICY, b"a", decode) == 2
    assert view.memo(Table.POLICY, b"a", decode) == 1
    assert calls == [b"1", b"2", b"1"]
    assert rows.get(Table.TOKEN, b"x") is None
    assert b"\x13x" not in rows.reads


def test_a_snapshot_does_not_change() -> None:
    rows = MemoryRows()
    view = rows.snapshot()
    rows.put(Table.POLICY, b"a", b"1")
    assert view.get(Table.POLICY, b"a") is None
    with pytest.raises(ValueError, match="snapshot"):
        view.put(Table.POLICY, b"a", b"1")
    with pytest.raises(ValueError, match="snapshot"):
        view.delete(Table.POLICY, b"a")


def test_a_transaction_that_raises_leaves_nothing() -> None:
    rows = MemoryRows()

    def fail() -> None:
        with rows.transaction() as txn:
            txn.put(Table.POLICY, b"a", b"1")
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert rows.rows == {}
    with rows.transaction() as txn:
        txn.put(Table.POLICY, b"a", b"1")
        assert rows.get(Table.POLICY, b"a") is None
    assert rows.get(Table.POLICY, b"a") == b"1"


def test_what_would_not_fit_is_refused() -> None:
    rows = MemoryRows()
    rows.put(Table.POLICY, bytes(MAX_KEY - 1), b"")
    with pytest.raises(ValueError, match="511"):
        rows.put(Table.POLICY, bytes(MAX_KEY), b"")
    for number in range(MAX_TRANSACTION_KEYS):
        rows.put(Table.ENGINE, number.to_bytes(4, "big"), b"")
    with pytest.raises(ValueError, match="keys"):
        rows.check_size()
