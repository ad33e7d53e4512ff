"""The wire itself: verbs and spellings that clients in other languages rely on."""

import pytest
from tests.harness import Server


@pytest.mark.parametrize("verb", ["PUT", "POST"])
def test_put_and_post_are_the_same(shared_node: Server, verb: str) -> None:
    path = f"raw/{verb.lower()}"
    written = shared_node.call(verb, f"secret/data/{path}", {"data": {"a": "b"}})
    assert written.status == 200
    assert written.data["version"] == 1
    assert written.headers["content-type"] == "application/json"
    assert written.body.keys() >= {"request_id", "lease_id", "renewable", "lease_duration", "data",
                                   "wrap_info", "warnings", "auth"}  # fmt: skip


def test_list_is_a_verb_and_a_query(shared_node: Server) -> None:
    for name in ("b", "a", "c/d"):
        shared_node.expect(200, "POST", f"secret/data/raw-list/{name}", {"data": {}})
    answers = [
        shared_node.expect(200, method, f"secret/metadata/raw-list{rest}").data
        for method, rest in (
            ("LIST", ""),
            ("LIST", "/"),
            ("GET", "?list=true"),
            ("GET", "/?list=1"),
        )
    ]
    assert answers == [{"keys": ["a", "b", "c/"]}] * 4
    page = shared_node.expect(200, "GET", "secret/metadata/raw-list?list=true&after=a&limit=1")
    assert page.data == {"keys": ["b"]}


@pytest.mark.parametrize(
    ("method", "path", "token", "status", "body"),
    [
        ("LIST", "secret/metadata/raw-none", None, 404, {"errors": []}),
        ("GET", "secret/data/raw-none", None, 404, {"errors": []}),
        ("GET", "secret/data/raw", "", 403, {"errors": ["permission denied"]}),
        ("GET", "secret/data/raw", "s.wrong", 403, {"errors": ["permission denied"]}),
        ("FOO", "secret/data/raw", None, 405, {"errors": []}),
        ("HEAD", "secret/data/raw", None, 405, None),
        (
            "GET",
            "none/raw",
            None,
            404,
            {"errors": ['no handler for route "none/raw". route entry not found.']},
        ),
    ],
)
def test_refusals(
    shared_node: Server, method: str, path: str, token: str | None, status: int, body: object
) -> None:
    answer = shared_node.call(method, path, token=token)
    assert (answer.status, answer.body) == (status, body)


def test_a_token_is_shown_in_either_header(shared_node: Server) -> None:
    with shared_node.client("") as client:
        for headers in (
            {"X-Vault-Token": shared_node.token},
            {"Authorization": f"Bearer {shared_node.token}"},
        ):
            client.link.request("GET", "/v1/auth/token/lookup-self", headers=headers)
            response = client.link.getresponse()
            assert response.status == 200
            response.read()


def test_health_by_head_has_no_body(shared_node: Server) -> None:
    answer = shared_node.call("HEAD", "sys/health", token="")
    assert (answer.status, answer.body) == (200, None)
