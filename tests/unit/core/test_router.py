import pytest
from hypothesis import given
from hypothesis import strategies as st

from custody.core.router import RouteTable, captures
from custody.plugin.request import Reply, Request
from custody.plugin.route import Engine, Op, Route, reads


def answer(_request: Request, _rows: object) -> Reply:
    return Reply()


def table(*patterns: str, missing: bool = False) -> RouteTable:
    actions = {Op.READ: reads(answer)}
    routes = tuple(Route(pattern, actions, help="One.") for pattern in patterns)
    return RouteTable(
        Engine("made", routes, missing=(lambda _request: Reply()) if missing else None)
    )


def found(routes: RouteTable, path: str) -> tuple[str, dict[str, str]] | None:
    match = routes.match(path)
    return None if match is None else (match.route.pattern, dict(match.params))


def test_a_literal_matches_itself_and_with_the_slash_of_a_list() -> None:
    routes = table("config/keys")
    assert found(routes, "config/keys") == ("config/keys", {})
    assert found(routes, "config/keys/") == ("config/keys", {})
    for path in ("config", "config/key", "config/keys/x", "config/keys//", "xconfig/keys", ""):
        assert found(routes, path) is None


@pytest.mark.parametrize("name", ["a", "ab", "a.b", "a-b", "a_b", "A9", "_", "a..b", "é"])
def test_a_name_is_vaults(name: str) -> None:
    assert found(table("keys/{name}"), f"keys/{name}") == ("keys/{name}", {"name": name})


@pytest.mark.parametrize("name", ["", ".", "a.", "-a", "a-", ".a", "a/b", "a b", "a@b", "a\n"])
def test_what_is_no_name_does_not_match(name: str) -> None:
    assert found(table("keys/{name}"), f"keys/{name}") is None


def test_any_segment_is_anything_but_a_slash() -> None:
    routes = table("keys/{name:any}/x")
    assert found(routes, "keys/ü @./x") == ("keys/{name:any}/x", {"name": "ü @."})
    assert found(routes, "keys//x") is None
    assert found(routes, "keys/a/b/x") is None


def test_the_rest_may_be_empty_and_hold_slashes() -> None:
    routes = table("data/{path...}")
    assert found(routes, "data") == ("data/{path...}", {"path": ""})
    assert found(routes, "data/") == ("data/{path...}", {"path": ""})
    assert found(routes, "data/a/b/") == ("data/{path...}", {"path": "a/b/"})
    assert found(routes, "data/a\nb") == ("data/{path...}", {"path": "a\nb"})
    assert found(routes, "database") is None


def test_the_first_route_that_matches_wins_and_literal_heads_go_first() -> None:
    routes = table("{name}", "a/{rest...}", "a/b", "b")
    assert found(routes, "a/b") == ("a/{rest...}", {"rest": "b"})
    assert found(routes, "b") == ("b", {})
    assert found(routes, "c") == ("{name}", {"name": "c"})


def test_a_dot_in_a_pattern_is_a_dot() -> None:
    routes = table("well.known/{name}")
    assert found(routes, "well.known/x") is not None
    assert found(routes, "wellxknown/x") is None


def test_an_engine_may_answer_where_no_route_does() -> None:
    routes = table("a", missing=True)
    match = routes.match("b/c")
    assert match is not None
    assert set(match.route.actions) == set(Op)
    assert routes.known("b/c") is None
    assert routes.known("a") is not None


def test_a_pattern_names_what_it_captures() -> None:
    assert captures("a/{one}/{two:any}/{three...}") == ("one", "two", "three")
    assert captures("a/b") == ()


@given(st.text(max_size=30))
def test_what_is_captured_was_in_the_path(path: str) -> None:
    match = table("a/{one}/{rest...}", "{two:any}", "{all...}").match(path)
    assert match is not None
    assert all(value in path for value in match.params.values())
