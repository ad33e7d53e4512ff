"""Bytes on disk of KV version 2, and what happens when rows are damaged."""

import pytest

from custody.base.codec import CorruptRecord
from custody.base.errors import NotFound
from custody.engines.kv.v2.schema import State
from custody.plugin.route import Op
from custody.testing.engine import MountedEngine
from custody.testing.storage import MemoryStorage

GOLDEN = {
    "43": (
        "83a6736368656d6101ac6d61785f76657273696f6e7303b464656c6574655f76657273696f6e5f61"
        "66746572cd0e10"
    ),
    "440000000000000000642f": "82a6736368656d6101a26964c408d5688a52d55a02ec",
    "44d5688a52d55a02ec617070": "82a6736368656d6101a26964c4108005f02d43fa06e7d0585fb64c961d57",
    "4d8005f02d43fa06e7d0585fb64c961d57": (
        "88a6736368656d6101aa637265617465645f6e73cf17979cfe362a0000aa757064617465645f6e73"
        "cf17979cfe362a0000a763757272656e7402b06d657461646174615f76657273696f6e01ac636173"
        "5f7265717569726564c3a6637573746f6d81a16ba176a876657273696f6e739293cf17979cfe362a"
        "0000cf1797a04466e2a0000293cf17979cfe362a0000cf1797a04466e2a00000"
    ),
    "568005f02d43fa06e7d0585fb64c961d570000000000000002": "7b226e223a317d",
}


def rows(kv: MountedEngine) -> dict[str, str]:
    return {key.hex(): value.hex() for key, value in sorted(kv.storage.rows.items())}


def test_the_bytes_of_a_written_secret_are_those_of_the_first_release(kv: MountedEngine) -> None:
    kv.call(Op.WRITE, "config", {"max_versions": 3, "delete_version_after": "1h"})
    kv.call(Op.WRITE, "metadata/d/app", {"cas_required": True, "custom_metadata": {"k": "v"}})
    for version in range(2):
        kv.call(Op.WRITE, "data/d/app", {"data": {"n": version}, "options": {"cas": version}})
    kv.call(Op.WRITE, "destroy/d/app", {"versions": [1]})
    assert rows(kv) == GOLDEN


def test_states_keep_their_numbers() -> None:
    assert {state.name: int(state) for state in State} == {
        "LIVE": 0,
        "DELETED": 1,
        "DESTROYED": 2,
    }


@pytest.mark.parametrize("table", [b"M", b"V", b"C"])
def test_a_missing_row_is_an_error_and_never_a_fresh_start(kv: MountedEngine, table: bytes) -> None:
    kv.call(Op.WRITE, "data/app", {"data": {"n": 1}})
    with kv.storage.transaction() as transaction:
        for key in [key for key in transaction.rows if key.startswith(table)]:
            transaction.delete(key)
    with pytest.raises(CorruptRecord):
        kv.call(Op.PATCH, "data/app", {"data": {}})


@pytest.mark.parametrize("table", [b"D", b"M", b"V", b"C"])
def test_a_damaged_row_is_an_error(kv: MountedEngine, table: bytes) -> None:
    kv.call(Op.WRITE, "data/app", {"data": {"n": 1}})
    with kv.storage.transaction() as transaction:
        for key in [key for key in transaction.rows if key.startswith(table)]:
            transaction.put(key, b"\xff")
    with pytest.raises(CorruptRecord):
        kv.call(Op.PATCH, "data/app", {"data": {}})


def test_a_missing_entry_means_no_access(kv: MountedEngine) -> None:
    kv.call(Op.WRITE, "data/app", {"data": {"n": 1}})
    with kv.storage.transaction() as transaction:
        for key in transaction.keys(b"D"):
            transaction.delete(key)
    with pytest.raises(NotFound):
        kv.call(Op.READ, "data/app")


def test_the_memory_store_is_strict() -> None:
    storage = MemoryStorage()
    with pytest.raises(TypeError, match="a snapshot is not changed"):
        storage.snapshot().put(b"k", b"v")
    with pytest.raises(ValueError, match="key of 503 bytes"):
        storage.get(bytes(503))
    with storage.transaction(commit=False) as transaction:
        transaction.put(b"k", b"v")
        assert transaction.get(b"k") == b"v"
    assert storage.get(b"k") is None
    with storage.transaction() as transaction:
        for name in (b"b", b"a", b"ab", b"c"):
            transaction.put(name, name)
        assert transaction.delete(b"c")
        assert not transaction.delete(b"c")
    assert storage.keys(b"") == [b"a", b"ab", b"b"]
    assert storage.keys(b"a", b"", 1) == [b"ab"]
    assert storage.scan(b"", b"ab") == [(b"b", b"b")]
