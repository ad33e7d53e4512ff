"""LIST, SCAN, details, subkeys."""

from typing import Any

import pytest

from custody.base.errors import BadRequest, NotFound
from custody.engines.kv import directory
from custody.engines.kv.v2 import listing
from custody.plugin.route import Op
from custody.testing.engine import MountedEngine

PATHS = ["a", "a!", "a-b", "a/b", "a/b/c", "a/c", "é/ü", "z", "日本/語"]


@pytest.fixture
def filled(kv: MountedEngine) -> MountedEngine:
    for path in reversed(PATHS):
        kv.call(Op.WRITE, f"data/{path}", {"data": {"path": path}})
    return kv


def keys(kv: MountedEngine, op: Op, path: str, **query: str) -> list[str]:
    reply = kv.call(op, path, query=query)
    assert reply is not None
    names: list[str] = (reply.data or {})["keys"]
    return names


def scanned(kv: MountedEngine, path: str, **query: str) -> Any:
    reply = kv.call(Op.SCAN, path, query=query)
    return None if reply is None else reply.data


def test_a_list_gives_names_and_folders_in_byte_order(filled: MountedEngine) -> None:
    expected = ["a", "a!", "a-b", "a/", "z", "é/", "日本/"]
    assert keys(filled, Op.LIST, "metadata/") == expected
    assert keys(filled, Op.LIST, "metadata") == expected
    assert keys(filled, Op.LIST, "metadata/a/") == ["b", "b/", "c"]
    assert keys(filled, Op.LIST, "metadata/a") == ["b", "b/", "c"]
    assert keys(filled, Op.LIST, "metadata/日本/") == ["語"]


@pytest.mark.parametrize("path", ["metadata/none/", "metadata/z/", "metadata/a/b/c/"])
def test_a_list_of_nothing_is_not_found_and_a_scan_of_nothing_is_empty(
    filled: MountedEngine, path: str
) -> None:
    with pytest.raises(NotFound) as caught:
        keys(filled, Op.LIST, path)
    assert list(caught.value.listed) == []
    assert scanned(filled, path) == {}


@pytest.mark.parametrize("path", ["metadata/", "detailed-metadata/"])
def test_an_empty_mount_lists_nothing(kv: MountedEngine, path: str) -> None:
    with pytest.raises(NotFound):
        keys(kv, Op.LIST, path)
    assert scanned(kv, path) == {}


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"limit": "2"}, ["a", "a!"]),
        ({"after": "a", "limit": "2"}, ["a!", "a-b"]),
        ({"after": "a-"}, ["a-b", "a/", "z", "é/", "日本/"]),
        ({"after": "a/", "limit": "1"}, ["z"]),
        ({"limit": "0", "after": "z"}, ["é/", "日本/"]),
        ({"limit": "-3", "after": "é/"}, ["日本/"]),
    ],
)
def test_a_page_starts_after_a_name_that_need_not_exist(
    filled: MountedEngine, query: dict[str, str], expected: list[str]
) -> None:
    assert keys(filled, Op.LIST, "metadata/", **query) == expected


def test_a_page_past_the_end_is_as_where_there_is_nothing(filled: MountedEngine) -> None:
    with pytest.raises(NotFound):
        keys(filled, Op.LIST, "metadata/", after="日本/語")
    assert scanned(filled, "metadata/", after="日本/語") == {}


def test_a_scan_gives_whole_paths_in_byte_order(filled: MountedEngine) -> None:
    expected = sorted(PATHS, key=str.encode)
    assert keys(filled, Op.SCAN, "metadata/") == expected
    assert keys(filled, Op.SCAN, "metadata/a/") == ["b", "b/c", "c"]


@pytest.mark.parametrize("after", [*PATHS, "", "a/", "a/b/", "a/b/b", "a/b/d", "b/c/d", "~"])
def test_a_scan_starts_after_a_path_that_need_not_exist(filled: MountedEngine, after: str) -> None:
    filled.call(Op.WRITE, "data/日本/語/末", {"data": {}})
    paths = sorted([*PATHS, "日本/語/末"], key=str.encode)
    expected = [path for path in paths if path.encode() > after.encode()]
    assert keys(filled, Op.SCAN, "metadata/", after=after) == expected
    assert keys(filled, Op.SCAN, "metadata/", after=after, limit="1") == expected[:1]


@pytest.mark.parametrize("op", [Op.LIST, Op.SCAN])
def test_details_describe_each_secret(filled: MountedEngine, op: Op) -> None:
    reply = filled.call(op, "detailed-metadata/a/")
    assert reply is not None
    assert reply.data is not None
    names = keys(filled, op, "metadata/a/")
    assert reply.data["keys"] == names
    details: dict[str, Any] = reply.data["key_info"]
    assert list(details) == names
    for name in names:
        if name.endswith("/"):
            assert details[name] == {}
        else:
            read = filled.call(Op.READ, f"metadata/a/{name}")
            assert read is not None
            assert details[name] == read.data


def test_a_limit_over_the_bound_is_refused_by_name(filled: MountedEngine) -> None:
    for op, path, most in [
        (Op.LIST, "metadata/", listing.MAX_LIST),
        (Op.SCAN, "metadata/", listing.MAX_PAGE),
        (Op.LIST, "detailed-metadata/", listing.MAX_PAGE),
    ]:
        with pytest.raises(BadRequest, match=f"limit must be at most {most}"):
            keys(filled, op, path, limit=str(most + 1))


def test_an_answer_without_limit_is_whole_or_refused(
    filled: MountedEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "MAX_PAGE", len(PATHS))
    assert len(keys(filled, Op.SCAN, "metadata/")) == len(PATHS)
    monkeypatch.setattr(listing, "MAX_PAGE", len(PATHS) - 1)
    with pytest.raises(BadRequest, match="ask for pages with limit and after"):
        keys(filled, Op.SCAN, "metadata/")
    assert len(keys(filled, Op.SCAN, "metadata/", limit="3")) == 3


def test_a_scan_enters_a_bounded_number_of_directories(
    filled: MountedEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(directory, "MAX_VISITS", 3)
    with pytest.raises(BadRequest, match="more than 3 directories: use a smaller limit"):
        keys(filled, Op.SCAN, "metadata/")
    assert keys(filled, Op.SCAN, "metadata/", limit="5") == ["a", "a!", "a-b", "a/b", "a/b/c"]


def test_details_describe_a_bounded_number_of_versions(
    filled: MountedEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "MAX_DETAILS", 2)
    with pytest.raises(BadRequest, match="use a smaller limit"):
        filled.call(Op.SCAN, "detailed-metadata/")
    assert filled.call(Op.SCAN, "detailed-metadata/", query={"limit": "2"}) is not None


def test_an_after_longer_than_any_name_is_refused(filled: MountedEngine) -> None:
    with pytest.raises(BadRequest, match="after is longer than 401 bytes"):
        keys(filled, Op.LIST, "metadata/", after="x" * 402)
    with pytest.raises(BadRequest, match="longer than 400 bytes"):
        keys(filled, Op.SCAN, "metadata/", after="x" * 401)


def test_large_directories_are_scanned_across_pages(kv: MountedEngine) -> None:
    paths = [f"d/{number:04}" for number in range(600)]
    for path in paths:
        kv.call(Op.WRITE, f"metadata/{path}", {"max_versions": 1})
    assert keys(kv, Op.SCAN, "metadata/") == paths
    assert keys(kv, Op.LIST, "metadata/d/") == [path[2:] for path in paths]


TREE: dict[str, Any] = {"a": {"b": {"c": 1}, "e": {}}, "l": [{"x": 1}], "s": "secret"}


@pytest.mark.parametrize(
    ("depth", "expected"),
    [
        (None, {"a": {"b": {"c": None}, "e": None}, "l": None, "s": None}),
        ("0", {"a": {"b": {"c": None}, "e": None}, "l": None, "s": None}),
        ("1", {"a": None, "l": None, "s": None}),
        ("2", {"a": {"b": None, "e": None}, "l": None, "s": None}),
        ("-1", {"a": None, "l": None, "s": None}),
    ],
)
def test_subkeys_show_the_tree_without_values(
    kv: MountedEngine, depth: str | None, expected: dict[str, Any]
) -> None:
    written = kv.call(Op.WRITE, "data/app", {"data": TREE})
    assert written is not None
    kv.call(Op.WRITE, "data/app", {"data": {}})
    query = {"version": "1"} | ({} if depth is None else {"depth": depth})
    reply = kv.call(Op.READ, "subkeys/app", query=query)
    assert reply is not None
    assert reply.data == {"subkeys": expected, "metadata": written.data}


def test_subkeys_of_a_deleted_version_are_404_with_its_metadata(kv: MountedEngine) -> None:
    kv.call(Op.WRITE, "data/app", {"data": TREE})
    kv.call(Op.DELETE, "data/app")
    reply = kv.call(Op.READ, "subkeys/app")
    assert reply is not None
    assert reply.status == 404
    assert reply.data is not None
    assert reply.data["subkeys"] is None
    assert reply.data["metadata"]["deletion_time"]
