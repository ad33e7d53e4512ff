from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from custody.base.errors import BadRequest
from custody.base.store import Table
from custody.core import mounts, unmounting
from custody.core.mounts import BUILTIN, MAX_MOUNT_DEPTH, MAX_MOUNT_PATH, MountEntry
from custody.testing.engine import CountingSource
from custody.testing.rows import MemoryRows


def entry(path: str, seed: str = "") -> MountEntry:
    identifier = b"\x80" + sha256((path + seed).encode()).digest()[:7]
    return MountEntry(id=identifier, path=path, kind="kv", accessor="kv_1", uuid="u")


def table(*paths: str) -> MemoryRows:
    rows = MemoryRows()
    for path in paths:
        mounts.enable(rows, entry(path))
    return rows


def resolved(rows: MemoryRows, path: str) -> str | None:
    found = mounts.resolve(rows, path)
    return None if found is None else found.path


def test_a_path_falls_into_the_mount_before_it() -> None:
    rows = table("secret/", "teams/blue/kv/")
    assert resolved(rows, "secret/data/a") == "secret/"
    assert resolved(rows, "secret/") == "secret/"
    assert resolved(rows, "teams/blue/kv/x") == "teams/blue/kv/"
    for path in ("secrets/a", "teams/blue/x", "teams/blue", "", "/", "//", "/secret/a", "x"):
        assert resolved(rows, path) is None


def test_the_last_slash_of_a_mount_may_be_missing() -> None:
    rows = table("secret/", "teams/blue/")
    assert resolved(rows, "secret") == "secret/"
    assert resolved(rows, "teams/blue") == "teams/blue/"
    assert resolved(rows, "sys") == "sys/"
    assert resolved(rows, "auth/token") == "auth/token/"


def test_built_in_mounts_are_there_without_a_row() -> None:
    rows = table()
    assert resolved(rows, "sys/health") == "sys/"
    assert resolved(rows, "auth/token/create") == "auth/token/"
    assert resolved(rows, "auth/other/x") is None
    assert [one.path for one in mounts.entries(rows)] == list(BUILTIN)


def test_a_lookup_is_bounded_however_long_the_path() -> None:
    rows = MemoryRows()
    mounts.resolve(rows, "a/" * 1000)
    assert len(rows.reads) <= MAX_MOUNT_DEPTH + 1


def test_what_was_asked_for_is_in_the_read_set() -> None:
    rows = table("a/b/").snapshot()
    mounts.resolve(rows, "a/b/c")
    assert {key[1:] for key in rows.reads} == {b"a/", b"a/b/"}
    missing = table().snapshot()
    mounts.resolve(missing, "nope/x")
    assert missing.reads
    assert not any(missing.reads.values())


@pytest.mark.parametrize("path", ["sys/x/", "auth/token/", "identity/", "cubbyhole/x/", "auth/x/"])
def test_reserved_paths_are_not_mounted_on(path: str) -> None:
    with pytest.raises(BadRequest, match=f'cannot mount "{path}"'):
        table(path)


@pytest.mark.parametrize("path", ["a/", "a/b/", "a/b/c/", "a/b/c/d/"])
def test_mounts_do_not_nest(path: str) -> None:
    with pytest.raises(BadRequest, match="path is already in use at"):
        table("a/b/c/", path)


def test_neighbours_are_no_nests() -> None:
    rows = table("a/b/", "a/bc/", "a/a/", "b/")
    assert [one.path for one in mounts.entries(rows, "a/")] == ["a/a/", "a/b/", "a/bc/"]


@pytest.mark.parametrize(
    ("path", "clean"),
    [("a", "a/"), ("/a/b/", "a/b/"), ("ä b", "ä b/"), ("x" * 399, "x" * 399 + "/")],
)
def test_a_mount_path_has_one_form(path: str, clean: str) -> None:
    assert mounts.normalise(path) == clean


@pytest.mark.parametrize(
    "path",
    [
        "", "/", "x" * MAX_MOUNT_PATH, "a/" * (MAX_MOUNT_DEPTH + 1), "a*", "a\nb", "a\x00",
        "a//b", "a/../b", "..", "a/./b",
    ],
)  # fmt: skip
def test_what_is_no_mount_path_is_refused(path: str) -> None:
    with pytest.raises(BadRequest):
        mounts.normalise(path)


@given(st.text(min_size=1, max_size=40))
def test_a_normal_path_stays_normal(path: str) -> None:
    try:
        clean = mounts.normalise(path)
    except BadRequest:
        return
    assert mounts.normalise(clean) == clean
    rows = table() if clean.startswith(mounts.RESERVED) else table(clean)
    if not clean.startswith(mounts.RESERVED):
        assert resolved(rows, clean + "x") == clean


def test_new_mounts_have_ids_of_their_own() -> None:
    source = CountingSource()
    made = [mounts.new_entry(source, "a/", "kv", 1) for _ in range(100)]
    assert len({one.id for one in made}) == 100
    assert not {one.id for one in made} & {one.id for one in BUILTIN.values()}
    assert all(len(one.id) == mounts.ID_SIZE for one in made)
    assert len({one.uuid for one in made}) == len({one.accessor for one in made}) == 100


def test_a_disabled_mount_is_gone_at_once_and_its_data_go_step_by_step() -> None:
    rows = table("a/", "b/")
    gone, kept = entry("a/").id, entry("b/").id
    for number in range(5):
        rows.put(Table.ENGINE, gone + bytes([number]), b"x")
    rows.put(Table.ENGINE, kept + b"y", b"x")
    unmounting.begin(rows, entry("a/"), 1)
    assert resolved(rows, "a/x") is None
    seen = []
    for expected in ((2, False), (2, False), (1, True)):
        left = unmounting.next_left(rows)
        assert left is not None
        assert (left.id, left.path) == (gone, "a/")
        seen.append(left.deleted)
        assert unmounting.clear_step(rows, gone, 2, 9) == expected
    assert seen == [0, 2, 4]
    assert unmounting.next_left(rows) is None
    assert rows.keys(Table.ENGINE, b"") == [kept + b"y"]
    assert unmounting.clear_step(rows, gone, 2, 9) == (0, True)
    assert [(one.deleted, one.finished_ns) for one in unmounting.known(rows, 10)] == [(5, 9)]


def test_what_was_cleared_is_forgotten_after_a_week() -> None:
    rows = table("a/")
    unmounting.begin(rows, entry("a/"), 1)
    unmounting.clear_step(rows, entry("a/").id, 2, 9)
    for now_ns, forgotten in ((8 + unmounting.KEPT_NS, 0), (10 + unmounting.KEPT_NS, 1)):
        assert unmounting.stale(rows, now_ns) is bool(forgotten)
        assert unmounting.forget(rows, now_ns, 10) == forgotten
    assert unmounting.known(rows, 10) == []


def test_a_path_used_again_is_another_mount() -> None:
    rows = table("a/")
    unmounting.begin(rows, entry("a/"), 1)
    mounts.enable(rows, entry("a/", "again"))
    found, left = mounts.read(rows, "a/"), unmounting.next_left(rows)
    assert found is not None
    assert left is not None
    assert found.id != entry("a/").id == left.id


def test_a_moved_mount_keeps_its_id_and_leaves_its_path() -> None:
    rows = table("a/")
    mounts.move(rows, entry("a/"), "b/c/")
    found = mounts.resolve(rows, "b/c/x")
    assert found is not None
    assert (found.id, found.path) == (entry("a/").id, "b/c/")
    assert resolved(rows, "a/x") is None


def test_a_built_in_mount_is_as_it_was_tuned() -> None:
    rows = table("a/")
    mounts.store(rows, replace(mounts.TOKENS, description="tuned"))
    found = mounts.resolve(rows, "auth/token/create")
    assert found is not None
    assert (found.id, found.description) == (mounts.TOKENS.id, "tuned")
    assert [one.description for one in mounts.entries(rows, "auth/")] == ["tuned"]
