"""Bytes on disk of KV version 2, and what happens when rows are damaged."""

import pytest

from custody.base.codec import CorruptRecord
from custody.base.errors import NotFound
from custody.engines.kv.v2.records import METADATA_KEY
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
    "4d8005f02d43fa06e7d0585fb64c961d570000000000000002": "7b226e223a317d",
}
PAYLOAD, PAYLOAD_1 = (  # the payload's key; in format 1, of which all else is the same
    "4d8005f02d43fa06e7d0585fb64c961d570000000000000002",
    "568005f02d43fa06e7d0585fb64c961d570000000000000002",
)
PREFIXES = {"entry": b"D", "metadata": b"M", "payload": b"M", "config": b"C"}


def rows(kv: MountedEngine) -> dict[str, str]:
    return {key.hex(): value.hex() for key, value in sorted(kv.storage.rows.items())}


def keys_of(kind: str, kv: MountedEngine) -> list[bytes]:
    """The keys of the rows that hold it."""
    return [
        key
        for key in kv.storage.rows
        if key.startswith(PREFIXES[kind]) and (kind == "payload") == (len(key) > METADATA_KEY)
    ]


def test_the_bytes_of_format_1_are_read_and_written_on(kv: MountedEngine) -> None:
    with kv.storage.transaction() as transaction:
        for key in list(transaction.rows):
            transaction.delete(key)
        for name, row in GOLDEN.items():
            place = PAYLOAD_1 if name == PAYLOAD else name
            transaction.put(bytes.fromhex(place), bytes.fromhex(row))
    reply = kv.call(Op.READ, "data/d/app")
    assert reply is not None
    assert reply.data is not None
    assert (reply.data["data"], reply.data["metadata"]["version"]) == ({"n": 1}, 2)
    kv.call(Op.WRITE, "data/d/app", {"data": {"n": 2}, "options": {"cas": 2}})
    assert PAYLOAD_1 in rows(kv)
    kv.call(Op.WRITE, "destroy/d/app", {"versions": [2]})
    assert PAYLOAD_1 not in rows(kv)
    kv.call(Op.DELETE, "metadata/d/app")
    assert list(rows(kv)) == ["43"]


def as_format_1(kv: MountedEngine) -> None:
    """Put every payload where it was before format 2."""
    with kv.storage.transaction() as transaction:
        for key in keys_of("payload", kv):
            transaction.put(b"V" + key[1:], transaction.rows[key])
            transaction.delete(key)


def test_the_bytes_of_a_written_secret_are_those_of_format_2(kv: MountedEngine) -> None:
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


@pytest.mark.parametrize("kind", ["metadata", "payload", "config"])
def test_a_missing_row_is_an_error_and_never_a_fresh_start(kv: MountedEngine, kind: str) -> None:
    kv.call(Op.WRITE, "data/app", {"data": {"n": 1}})
    with kv.storage.transaction() as transaction:
        for key in keys_of(kind, kv):
            transaction.delete(key)
    with pytest.raises(CorruptRecord):
        kv.call(Op.PATCH, "data/app", {"data": {}})


@pytest.mark.parametrize("kind", PREFIXES)
def test_a_damaged_row_is_an_error(kv: MountedEngine, kind: str) -> None:
    kv.call(Op.WRITE, "data/app", {"data": {"n": 1}})
    with kv.storage.transaction() as transaction:
        for key in keys_of(kind, kv):
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


def test_payloads_of_format_1_are_read_patched_and_come_to_their_end(kv: MountedEngine) -> None:
    kv.call(Op.WRITE, "config", {"max_versions": 3})
    for number in (1, 2, 3):
        kv.call(Op.WRITE, "data/app", {"data": {"n": number}})
    as_format_1(kv)
    for number in (1, 2, 3):
        reply = kv.call(Op.READ, "data/app", query={"version": str(number)})
        assert reply is not None
        assert reply.data is not None
        assert reply.data["data"] == {"n": number}
    kv.call(Op.PATCH, "data/app", {"data": {"more": 1}})
    reply = kv.call(Op.READ, "data/app")
    assert reply is not None
    assert reply.data is not None
    assert reply.data["data"] == {"n": 3, "more": 1}
    kv.call(Op.WRITE, "destroy/app", {"versions": [2]})
    former = [key for key in kv.storage.rows if key[:1] == b"V"]
    assert [key[-1] for key in former] == [3]  # 1 was one too many, 2 is destroyed
    kv.call(Op.DELETE, "metadata/app")
    assert [key[:1] for key in kv.storage.rows] == [b"C"]


def test_rows_of_a_secret_lie_side_by_side(kv: MountedEngine) -> None:
    for path in ("a", "b", "c"):
        for number in range(3):
            kv.call(Op.WRITE, f"data/{path}", {"data": {"n": number}})
    owners = [key[1:17] for key in sorted(kv.storage.rows) if key[:1] == b"M"]
    assert [owners[at : at + 4] for at in (0, 4, 8)] == [[owner] * 4 for owner in owners[::4]]
    assert len(set(owners)) == 3
