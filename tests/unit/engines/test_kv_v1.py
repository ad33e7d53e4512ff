"""KV version 1: what its clients have relied on since before there were versions."""

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from custody.base.codec import CorruptRecord
from custody.base.errors import BadRequest, NotFound
from custody.engines.kv import v1
from custody.engines.kv.entries import PLAIN_PAYLOAD
from custody.plugin.route import Op
from custody.testing.engine import MountedEngine

GOLDEN = {
    "440000000000000000612f": "82a6736368656d6101a26964c408d5688a52d55a02ec",
    "44d5688a52d55a02ec62": "82a6736368656d6101a26964c4108005f02d43fa06e7d0585fb64c961d57",
    "508005f02d43fa06e7d0585fb64c961d57": "7b226e223a317d",
}


@pytest.fixture
def kv() -> MountedEngine:
    return MountedEngine(v1.ENGINE)


def read(kv: MountedEngine, path: str) -> Any:
    reply = kv.call(Op.READ, path)
    assert reply is not None
    return reply.data


def listed(kv: MountedEngine, op: Op, path: str) -> Any:
    reply = kv.call(op, path)
    assert reply is not None
    assert reply.data is not None
    return reply.data["keys"]


def test_what_was_written_is_read_as_it_came(kv: MountedEngine) -> None:
    data = {"text": "t", "number": 12345678901234567890, "deep": {"list": [1, None, True]}}
    assert kv.call(Op.WRITE, "a/b", data) is None
    assert read(kv, "a/b") == data


def test_a_write_replaces_the_whole_secret(kv: MountedEngine) -> None:
    kv.call(Op.WRITE, "a", {"one": 1})
    kv.call(Op.WRITE, "a", {"two": 2})
    assert read(kv, "a") == {"two": 2}
    assert len(kv.storage.rows) == 2


def test_nothing_is_left_of_a_deleted_secret(kv: MountedEngine) -> None:
    kv.call(Op.WRITE, "a/b/c", {"one": 1})
    kv.call(Op.DELETE, "a/b/c")
    kv.call(Op.DELETE, "a/b/c")
    kv.call(Op.DELETE, "")
    with pytest.raises(NotFound):
        kv.call(Op.READ, "a/b/c")
    assert not kv.storage.rows


@pytest.mark.parametrize(
    ("data", "lease"),
    [
        ({"x": "1"}, 0),
        ({"ttl": "90s"}, 90),
        ({"lease": "1h"}, 3600),
        ({"ttl": 60, "lease": "1h"}, 60),
        ({"ttl": "soon", "lease": "1h"}, 0),
        ({"ttl": [1]}, 0),
        ({"ttl": "-5s"}, 0),
    ],
)
def test_a_secret_says_for_how_long_it_may_be_kept(
    kv: MountedEngine, data: dict[str, Any], lease: int
) -> None:
    kv.call(Op.WRITE, "a", data)
    reply = kv.call(Op.READ, "a")
    assert reply is not None
    assert (reply.data, reply.lease_duration) == (data, lease)


@pytest.mark.parametrize(
    ("path", "data", "text"),
    [
        ("", {"a": 1}, "cannot write to a path ending in '/'"),
        ("a/", {"a": 1}, "cannot write to a path ending in '/'"),
        ("a", {}, "missing data fields"),
        ("a//b", {"a": 1}, "a segment of the path is empty"),
        ("a", {"a": "x" * v1.MAX_PAYLOAD}, "data is larger than 1048576 bytes"),
        ("x" * 401, {"a": 1}, "a segment of the path is longer than 400 bytes"),
    ],
)
def test_what_cannot_be_written_is_named(
    kv: MountedEngine, path: str, data: dict[str, Any], text: str
) -> None:
    with pytest.raises(BadRequest) as caught:
        kv.call(Op.WRITE, path, data)
    assert caught.value.messages == (text,)


def test_where_there_is_nothing_there_is_no_answer(kv: MountedEngine) -> None:
    kv.call(Op.WRITE, "a/b", {"one": 1})
    for path in ("", "a", "a/", "a/b/", "a/b/c", "other"):
        with pytest.raises(NotFound):
            kv.call(Op.READ, path)
    for path in ("a/b/", "other/"):
        with pytest.raises(NotFound):
            kv.call(Op.LIST, path)
        assert (reply := kv.call(Op.SCAN, path)) is not None
        assert reply.data == {}


def test_a_name_may_be_a_secret_and_a_folder(kv: MountedEngine) -> None:
    for path in ("b", "a", "a/c", "a/b/d"):
        kv.call(Op.WRITE, path, {"one": 1})
    assert listed(kv, Op.LIST, "") == ["a", "a/", "b"]
    assert listed(kv, Op.LIST, "a/") == ["b/", "c"]
    assert listed(kv, Op.SCAN, "") == ["a", "a/b/d", "a/c", "b"]


def test_a_list_is_whole_or_refused(kv: MountedEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(v1, "MAX_LIST", 3)
    for number in range(3):
        kv.call(Op.WRITE, f"k{number}", {"n": 1})
    assert listed(kv, Op.LIST, "") == ["k0", "k1", "k2"]
    kv.call(Op.WRITE, "k3", {"n": 1})
    for op in (Op.LIST, Op.SCAN):
        with pytest.raises(BadRequest, match="more than 3 names"):
            kv.call(op, "")


def test_a_write_creates_or_updates(kv: MountedEngine) -> None:
    assert not kv.exists("a")
    kv.call(Op.WRITE, "a", {"one": 1})
    assert kv.exists("a")
    assert not kv.exists("a/b")
    assert not kv.exists("")


def test_the_bytes_of_a_written_secret_stay_what_they_are(kv: MountedEngine) -> None:
    kv.call(Op.WRITE, "a/b", {"n": 1})
    assert {key.hex(): row.hex() for key, row in sorted(kv.storage.rows.items())} == GOLDEN


@pytest.mark.parametrize("row", [None, b"{", b"[1]", b"\xff", b"[" * 100_000])
def test_a_payload_that_is_none_is_an_error_and_no_answer(
    kv: MountedEngine, row: bytes | None
) -> None:
    kv.call(Op.WRITE, "a", {"n": "the-secret"})
    [place] = [key for key in kv.storage.rows if key.startswith(PLAIN_PAYLOAD)]
    with kv.storage.transaction() as txn:
        txn.delete(place)
        if row is not None:
            txn.put(place, row)
    with pytest.raises(CorruptRecord) as caught:
        kv.call(Op.READ, "a")
    assert "the-secret" not in str(caught.value)


_PATHS = st.lists(st.sampled_from(["a", "b", "é"]), min_size=1, max_size=3).map("/".join)


@given(steps=st.lists(st.tuples(st.sampled_from(["write", "delete"]), _PATHS), max_size=25))
@settings(max_examples=80)
def test_paths_behave_like_a_plain_dictionary(steps: list[tuple[str, str]]) -> None:
    kv, model = MountedEngine(v1.ENGINE), dict[str, int]()
    for number, (step, path) in enumerate(steps):
        if step == "write":
            kv.call(Op.WRITE, path, {"n": number})
            model[path] = number
        else:
            kv.call(Op.DELETE, path)
            model.pop(path, None)
    paths = sorted(model, key=lambda path: path.encode())
    assert (listed(kv, Op.SCAN, "") if model else []) == paths
    for path, number in model.items():
        assert read(kv, path) == {"n": number}
    payloads = [key for key in kv.storage.rows if key.startswith(PLAIN_PAYLOAD)]
    assert len(payloads) == len(model)
    for payload in payloads:
        assert msgspec.json.decode(kv.storage.rows[payload])
