"""Limits of paths, roots and the catch-all."""

from typing import Any

import pytest

from custody.base.errors import BadRequest, NotFound
from custody.core.router import RouteTable
from custody.engines.kv import ENGINE
from custody.plugin.request import Reply
from custody.plugin.route import Op
from custody.plugin.storage import MAX_ENGINE_KEY
from custody.testing.engine import MountedEngine

ROOT_WARNING = "Non-listing operations on the root of a K/V v2 mount are not supported."
EVERY_WRITE: list[tuple[Op, str, dict[str, Any]]] = [
    (Op.WRITE, "data", {"data": {}}),
    (Op.PATCH, "data", {"data": {}}),
    (Op.DELETE, "data", {}),
    (Op.WRITE, "metadata", {"max_versions": 1}),
    (Op.PATCH, "metadata", {"max_versions": 1}),
    (Op.DELETE, "metadata", {}),
    (Op.WRITE, "delete", {"versions": [1]}),
    (Op.WRITE, "undelete", {"versions": [1]}),
    (Op.WRITE, "destroy", {"versions": [1]}),
]
EVERY_READ: list[tuple[Op, str, dict[str, Any]]] = [
    (Op.READ, "data", {}),
    (Op.READ, "metadata", {}),
    (Op.READ, "subkeys", {}),
]


@pytest.mark.parametrize(("op", "head", "body"), EVERY_WRITE + EVERY_READ)
@pytest.mark.parametrize("slash", ["", "/"])
def test_the_root_of_a_subtree_is_404_with_a_warning(
    kv: MountedEngine, op: Op, head: str, body: dict[str, Any], slash: str
) -> None:
    assert kv.call(op, head + slash, body) == Reply(status=404)
    assert kv.last.warnings == [ROOT_WARNING]


@pytest.mark.parametrize("head", ["data", "metadata", "delete", "undelete", "destroy"])
def test_a_root_that_no_route_takes_warns_the_same(kv: MountedEngine, head: str) -> None:
    assert ENGINE.missing is not None
    kv.call(Op.READ, "nothing")
    kv.last.path, kv.last.warnings = head, []
    assert ENGINE.missing(kv.last) == Reply(status=404)
    assert kv.last.warnings == [ROOT_WARNING]


@pytest.mark.parametrize(
    ("op", "command"),
    [
        (Op.READ, "get"),
        (Op.WRITE, "put"),
        (Op.PATCH, "patch"),
        (Op.DELETE, "delete"),
        (Op.LIST, "list"),
        (Op.SCAN, "scan"),
    ],
)
@pytest.mark.parametrize("path", ["app", "app/below", "dat", "", "config/x"])
def test_other_paths_are_404_with_a_hint(
    kv: MountedEngine, op: Op, command: str, path: str
) -> None:
    assert kv.call(op, path) == Reply(status=404)
    (warning,) = kv.last.warnings
    assert warning.startswith("Invalid path for a versioned K/V secrets engine. See the API docs")
    assert f"'custody kv {command}'" in warning


@pytest.mark.parametrize("op", [Op.LIST, Op.SCAN])
def test_data_cannot_be_listed(op: Op) -> None:
    found = RouteTable(ENGINE).match("data/")
    assert found is not None
    assert op not in found.route.actions


@pytest.mark.parametrize("path", ["data/a/", "metadata/a/", "subkeys/a/", "data/a//b"])
def test_a_read_with_a_trailing_slash_is_not_found(kv: MountedEngine, path: str) -> None:
    kv.call(Op.WRITE, "data/a", {"data": {}})
    kv.call(Op.WRITE, "data/a/b", {"data": {}})
    with pytest.raises(NotFound):
        kv.call(Op.READ, path)


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("a/", "cannot write to a path ending in '/'"),
        ("a//b", "a segment of the path is empty"),
        ("/a", "a segment of the path is empty"),
    ],
)
def test_a_secret_needs_a_name(kv: MountedEngine, path: str, text: str) -> None:
    bodies: dict[str, dict[str, Any]] = {"data": {"data": {}}, "metadata": {"max_versions": 1}}
    for head, body in bodies.items():
        with pytest.raises(BadRequest) as caught:
            kv.call(Op.WRITE, f"{head}/{path}", body)
        assert list(caught.value.listed) == [text]


@pytest.mark.parametrize(("op", "head", "body"), EVERY_WRITE + EVERY_READ)
@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("s" * 401, "a segment of the path is longer than 400 bytes"),
        ("ü" * 201 + "/x", "a segment of the path is longer than 400 bytes"),
        ("d/" * 1024 + "x", "path is longer than 2048 bytes"),
        ("bad\ud800", "path is not valid UTF-8"),
    ],
)
def test_a_path_over_a_limit_is_refused_by_name(
    kv: MountedEngine, op: Op, head: str, body: dict[str, Any], path: str, text: str
) -> None:
    with pytest.raises(BadRequest) as caught:
        kv.call(op, f"{head}/{path}", body)
    assert list(caught.value.listed) == [text]


@pytest.mark.parametrize("path", ["s" * 400 + "/" + "t" * 400, "d/" * 1023 + "xy"])
def test_a_path_at_the_limits_works_and_vanishes_whole(kv: MountedEngine, path: str) -> None:
    empty = dict(kv.storage.rows)
    kv.call(Op.WRITE, f"data/{path}", {"data": {"n": 1}})
    assert kv.call(Op.READ, f"data/{path}") is not None
    assert max(map(len, kv.storage.rows)) <= MAX_ENGINE_KEY
    kv.call(Op.DELETE, f"metadata/{path}")
    assert kv.storage.rows == empty


def test_removing_a_secret_keeps_directories_that_hold_others(kv: MountedEngine) -> None:
    for path in ("a/b/c", "a/d", "a/b"):
        kv.call(Op.WRITE, f"data/{path}", {"data": {}})
    kv.call(Op.DELETE, "metadata/a/b/c")
    reply = kv.call(Op.LIST, "metadata/a/")
    assert reply is not None
    assert (reply.data or {})["keys"] == ["b", "d"]
    assert kv.call(Op.READ, "data/a/b") is not None
