"""PATCH of data, and JSON Merge Patch against the vectors of RFC 7396, appendix A."""

from typing import Any

import pytest

from custody.base.errors import NotFound
from custody.engines.kv.v2.merge import merge_patch
from custody.plugin.route import Op
from custody.testing.engine import MountedEngine

RFC_7396_APPENDIX_A: list[tuple[Any, Any, Any]] = [
    ({"a": "b"}, {"a": "c"}, {"a": "c"}),
    ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
    ({"a": "b"}, {"a": None}, {}),
    ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
    ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
    ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
    ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
    ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
    (["a", "b"], ["c", "d"], ["c", "d"]),
    ({"a": "b"}, ["c"], ["c"]),
    ({"a": "foo"}, None, None),
    ({"a": "foo"}, "bar", "bar"),
    ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
    ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
    ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
]


@pytest.mark.parametrize(("original", "patch", "result"), RFC_7396_APPENDIX_A)
def test_a_merge_patch_gives_what_the_rfc_says(original: Any, patch: Any, result: Any) -> None:
    assert merge_patch(original, patch) == result


def test_a_merge_patch_changes_neither_of_its_arguments() -> None:
    target, patch = {"a": {"b": 1}}, {"a": {"b": None, "c": {"d": 2}}}
    merge_patch(target, patch)
    assert (target, patch) == ({"a": {"b": 1}}, {"a": {"b": None, "c": {"d": 2}}})


def patched(kv: MountedEngine, data: dict[str, Any]) -> Any:
    return kv.call(Op.PATCH, "data/app", {"data": data})


def test_a_patch_makes_a_new_version_and_keeps_the_old(kv: MountedEngine) -> None:
    kv.call(Op.WRITE, "data/app", {"data": {"a": 1, "b": {"c": 2, "d": 3}}})
    reply = patched(kv, {"a": None, "b": {"c": 4}})
    assert reply.data["version"] == 2
    read = kv.call(Op.READ, "data/app")
    assert read is not None
    assert (read.data or {})["data"] == {"b": {"c": 4, "d": 3}}
    read = kv.call(Op.READ, "data/app", query={"version": "1"})
    assert read is not None
    assert (read.data or {})["data"] == {"a": 1, "b": {"c": 2, "d": 3}}


def test_a_patch_of_nothing_is_not_found_without_a_text(kv: MountedEngine) -> None:
    with pytest.raises(NotFound) as caught:
        patched(kv, {"a": 1})
    assert list(caught.value.listed) == []
    kv.call(Op.WRITE, "metadata/app", {"max_versions": 3})
    with pytest.raises(NotFound):
        patched(kv, {"a": 1})


@pytest.mark.parametrize("end", ["delete", "destroy"])
def test_a_patch_of_a_version_that_is_gone_answers_404_with_its_metadata(
    kv: MountedEngine, end: str
) -> None:
    kv.call(Op.WRITE, "data/app", {"data": {"a": 1}})
    kv.call(Op.WRITE, f"{end}/app", {"versions": [1]})
    reply = patched(kv, {"a": 2})
    assert reply.status == 404
    assert reply.data["version"] == 1
    assert reply.data["destroyed"] is (end == "destroy")
    assert bool(reply.data["deletion_time"]) is (end == "delete")
