"""The edge and the pipeline together, as a client meets them."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from custody.core.call import Answer, Call
from custody.http.app import App
from custody.plugin.request import Reply, Request
from custody.plugin.route import Access, Engine, Op, Route, reads
from custody.testing.server import MemoryServer, Response

DENIED = ["1 error occurred:\n\t* permission denied\n\n"]
PLANTED = "planted-secret"


def on_server(test: Callable[[MemoryServer], Awaitable[None]]) -> None:
    async def main() -> None:
        async with MemoryServer() as server:
            await test(server)

    asyncio.run(main())


def answer_to(method: str, path: str, **more: Any) -> Response:
    """What a new server answers its root token."""
    answers: list[Response] = []

    async def test(server: MemoryServer) -> None:
        sent = {"token": server.root_token, **more}
        answers.append(await server.call(method, path, **sent))

    on_server(test)
    return answers[0]


@pytest.mark.parametrize(
    ("method", "path", "status", "errors"),
    [
        ("GET", "/foo", 404, []),
        ("GET", "/v1", 404, []),
        ("GET", "/v1/", 404, ['no handler for route "". route entry not found.']),
        ("GET", "nope", 404, ['no handler for route "nope". route entry not found.']),
        ("GET", "nope/foo", 404, ['no handler for route "nope/foo". route entry not found.']),
        ("GET", "sys/nope", 404, ["1 error occurred:\n\t* unsupported path\n\n"]),
        ("GET", "sys", 404, ["1 error occurred:\n\t* unsupported path\n\n"]),
        ("LIST", "secret/metadata", 404, []),
        ("GET", "secret/metadata?list=true", 404, []),
        ("GET", "secret/metadata?list=yes", 400, []),
        ("GET", "sys/policies/acl", 405, ["1 error occurred:\n\t* unsupported operation\n\n"]),
        ("DELETE", "sys/mounts", 405, ["1 error occurred:\n\t* unsupported operation\n\n"]),
        ("FOO", "secret/data/a", 405, []),
        ("POST", "sys/health", 405, []),
        ("LIST", "sys/health", 405, []),
        ("GET", "sys/unseal", 405, []),
        ("OPTIONS", "secret/data/a", 400, ["cannot handle internal-only request operation"]),
        ("GET", "secret/%2e%2e/sys/mounts", 400, ["relative paths not supported"]),
        ("GET", "sys/policies/acl/a.", 404, []),
        ("POST", "secret/data/a", 400, ["no data provided"]),
    ],
)
def test_an_answer_to_a_mistake(method: str, path: str, status: int, errors: list[str]) -> None:
    answer = answer_to(method, path)
    assert (answer.status, answer.errors) == (status, errors)
    assert answer.headers["content-type"] == "application/json"
    assert answer.body.endswith(b"]}\n")


def test_whether_a_route_exists_is_not_told_to_strangers() -> None:
    for token in ("", "bad", "cus.bad"):
        for path in ("nope/foo", "sys/nope", "secret/data/a", "sys/mounts", "secret"):
            answer = answer_to("GET", path, token=token)
            assert (answer.status, answer.errors) == (403, ["permission denied"])


def test_a_valid_token_without_rights_is_told_so_in_other_words() -> None:
    async def test(server: MemoryServer) -> None:
        token = await server.token()
        for path in ("secret/data/a", "sys/mounts", "nope/x", "sys/nope"):
            answer = await server.call("GET", path, token=token)
            assert (answer.status, answer.errors) == (403, DENIED)

    on_server(test)


@pytest.mark.parametrize("path", ["secret/data/x%00y", "secret/data/%0a", "secret/data/%zz"])
def test_an_unprintable_path_is_a_bare_400(path: str) -> None:
    answer = answer_to("GET", path)
    assert (answer.status, answer.body) == (400, b"")
    assert "content-type" not in answer.headers
    assert answer.headers["content-length"] == "0"


def test_a_double_slash_is_redirected() -> None:
    for method in ("GET", "POST"):
        answer = answer_to(method, "/v1/secret//data/x?version=1", body={})
        assert (answer.status, answer.body) == (307, b"")
        assert answer.headers["location"] == "/v1/secret/data/x?version=1"
    assert answer_to("GET", "//v1/sys/mounts").status == 404


def test_a_mount_answers_without_its_slash_too() -> None:
    answer = answer_to("GET", "secret")
    assert answer.status == 404
    assert answer.warnings[0].startswith("Invalid path for a versioned K/V secrets engine.")


def test_head_is_for_health() -> None:
    head, health = answer_to("HEAD", "sys/health", token=""), answer_to("GET", "sys/health")
    assert (head.status, head.body) == (200, b"")
    assert head.headers["content-length"] == health.headers["content-length"]
    assert answer_to("HEAD", "secret/data/a").status == 405
    assert answer_to("HEAD", "sys/seal-status").status == 405
    assert answer_to("HEAD", "secret/data/a", token="").status == 403


def test_put_is_post() -> None:
    async def test(server: MemoryServer) -> None:
        for method in ("PUT", "POST"):
            body = {"data": {"a": "b"}}
            await server.expect(200, method, "secret/data/a", token=server.root_token, body=body)
        answer = await server.call("GET", "secret/data/a", token=server.root_token)
        assert answer.data["metadata"]["version"] == 2

    on_server(test)


def test_a_list_is_the_same_by_verb_and_by_query() -> None:
    async def test(server: MemoryServer) -> None:
        root = server.root_token
        await server.call("POST", "secret/data/a", token=root, body={"data": {}})
        for method, path in (
            ("LIST", "secret/metadata"),
            ("LIST", "secret/metadata/"),
            ("GET", "secret/metadata?list=true"),
            ("GET", "secret/metadata/?list=1"),
            ("SCAN", "secret/metadata"),
            ("GET", "secret/metadata?scan=t"),
        ):
            answer = await server.call(method, path, token=root)
            assert (answer.data, answer.json["warnings"]) == ({"keys": ["a"]}, None)

    on_server(test)


def test_a_patch_needs_its_media_type() -> None:
    body = b'{"data":{}}'
    plain = answer_to("PATCH", "secret/data/a", body=body, headers=[("Content-Type", "")])
    assert (plain.status, plain.errors) == (400, ["mime: no media type"])
    # Without a body it is no different.
    empty = answer_to("PATCH", "secret/data/a", headers=[("Content-Type", "")])
    assert (empty.status, empty.errors) == (400, ["mime: no media type"])
    other = [("Content-Type", "application/json")]
    assert answer_to("PATCH", "secret/data/a", body=body, headers=other).status == 415
    right = [("Content-Type", "application/merge-patch+json; charset=utf-8")]
    assert answer_to("PATCH", "secret/data/a", body=body, headers=right).status == 404


def test_a_form_is_read_as_fields() -> None:
    form = [("Content-Type", "application/x-www-form-urlencoded")]
    answer = answer_to("POST", "auth/token/create", body=b"display_name=app&ttl=60", headers=form)
    assert answer.json["auth"]["lease_duration"] == 60


def test_fields_that_nobody_reads_are_warned_of_in_order() -> None:
    answer = answer_to(
        "POST", "secret/data/b", body={"data": {}, "zz": 1, "aa": 2, "path": "elsewhere"}
    )
    ignored, replaced = answer.warnings
    assert ignored == "Endpoint ignored these unrecognized parameters: [aa zz]"
    assert replaced == (
        "Endpoint replaced the value of these parameters with the values captured from the "
        "endpoint's path: [path]"
    )


def test_a_silent_answer_stays_silent_about_unknown_fields() -> None:
    answer = answer_to("POST", "secret/config", body={"max_versions": 3, "zz": 1})
    assert (answer.status, answer.body) == (204, b"")
    assert answer.headers["content-type"] == "application/json"


def test_the_namespace_comes_back() -> None:
    for value in ("root", "/root/", "/"):
        answer = answer_to("GET", "sys/mounts", headers=[("X-Vault-Namespace", value)])
        assert (answer.status, answer.headers["x-vault-namespace"]) == (200, value)
    denied = answer_to("GET", "nope/x", token="", headers=[("X-Vault-Namespace", "root")])
    assert (denied.status, denied.headers["x-vault-namespace"]) == (403, "root")
    unknown = answer_to("GET", "sys/mounts", headers=[("X-Vault-Namespace", "nope")])
    assert (unknown.status, unknown.errors) == (404, ["namespace not found"])
    assert unknown.headers["x-vault-namespace"] == "nope"
    empty = answer_to("GET", "sys/mounts", headers=[("X-Vault-Namespace", "")])
    assert empty.status == 200
    assert "x-vault-namespace" not in empty.headers


@pytest.mark.parametrize("path", ["health", "seal-status", "init", "leader"])
@pytest.mark.parametrize("value", ["60", "abc", "-1"])
def test_a_status_is_never_wrapped(path: str, value: str) -> None:
    assert answer_to("GET", f"sys/{path}", headers=[("X-Vault-Wrap-TTL", value)]).status == 200


def test_a_wrap_ttl_is_a_duration() -> None:
    answer = answer_to("GET", "sys/mounts", headers=[("X-Vault-Wrap-TTL", "abc")])
    text = 'error parsing X-Vault-Wrap-TTL header: time: invalid duration "abc"'
    assert (answer.status, answer.errors) == (400, [text])
    for value in ("0", ""):
        assert answer_to("GET", "sys/mounts", headers=[("X-Vault-Wrap-TTL", value)]).status == 200


def test_a_bearer_is_a_token() -> None:
    async def test(server: MemoryServer) -> None:
        bearer = [("Authorization", f"Bearer {server.root_token}")]
        assert (await server.call("GET", "sys/mounts", headers=bearer)).status == 200
        answer = await server.call("GET", "sys/mounts", token="cus.bad", headers=bearer)
        assert answer.status == 403

    on_server(test)


@pytest.mark.parametrize("token", ["ÿþ", "x" * 9000, "cus.\x80", '"<&>'])
def test_a_token_of_any_bytes_is_just_not_valid(token: str) -> None:
    answer = answer_to("GET", "auth/token/lookup-self", token=token)
    assert (answer.status, answer.errors) == (403, ["permission denied"])


def test_request_ids_are_uuids_and_the_audits() -> None:
    async def test(server: MemoryServer) -> None:
        answer = await server.call("GET", "sys/mounts", token=server.root_token)
        request_id = answer.json["request_id"]
        assert [len(part) for part in request_id.split("-")] == [8, 4, 4, 4, 12]
        assert server.recorder.records[-1]["request"]["id"] == request_id

    on_server(test)


def test_help_is_raw_and_recorded() -> None:
    async def test(server: MemoryServer) -> None:
        token = await server.token('path "secret/data/b" { capabilities = ["read"] }')
        answer = await server.call("POST", "secret/data/a?help=1", token=token, body={"data": {}})
        assert answer.status == 200
        assert set(answer.json) == {"help", "openapi", "see_also"}
        assert answer.json["help"].startswith("Request:        data/a\n")
        assert "    data (map)\n" in answer.json["help"]
        assert list(answer.json["openapi"]["paths"]) == ["/data/{path}"]
        record = server.recorder.records[-1]["request"]
        assert (record["operation"], record["path"]) == ("help", "secret/data/a")
        gone = await server.call("GET", "secret/data/a", token=server.root_token)
        assert gone.status == 404

    on_server(test)


def test_help_for_a_mount_lists_its_paths() -> None:
    answer = answer_to("GET", "secret?help=1")
    assert "    data/{path...}\n" in answer.json["help"]
    assert answer_to("GET", "sys/nope?help=1").status == 404
    assert answer_to("GET", "nope?help=1").status == 404


def test_help_tells_of_no_mount_that_the_caller_may_do_nothing_in() -> None:
    async def test(server: MemoryServer) -> None:
        policy = 'path "secret/*" { capabilities = ["deny"] }\npath "other/*" {}'
        for token in (await server.token(), await server.token(policy)):
            for path in ("secret", "secret/data/a", "nope", "nope/data/a"):
                answer = await server.expect(404, "GET", f"{path}?help=1", token=token)
                text = f'no handler for route "{path}". route entry not found.'
                assert answer.errors == [text]

    on_server(test)


def test_a_client_that_leaves_has_asked_for_nothing() -> None:
    async def test(server: MemoryServer) -> None:
        root = server.root_token
        sent = [("X-Vault-Token", root), ("Content-Length", "100")]
        lines = len(server.recorder.lines)
        path = "secret/data/a"
        answer = await server.exchange("POST", path, sent, [b'{"data":{}}'], leaves=True)
        assert answer is None
        assert len(server.recorder.lines) == lines
        assert (await server.call("GET", path, token=root)).status == 404
        assert server.app.in_flight == 0

    on_server(test)


def test_a_chunked_body_counts_as_one() -> None:
    async def test(server: MemoryServer) -> None:
        sent = [("X-Vault-Token", server.root_token), ("Transfer-Encoding", "chunked")]
        chunks = [b'{"da', b"", b'ta":{}}']
        answer = await server.exchange("POST", "secret/data/a", sent, chunks)
        assert answer is not None
        assert answer.status == 200
        over = await server.exchange("POST", "sys/unseal", sent, [b" " * 40_000] * 3)
        assert over is not None
        assert (over.status, over.errors) == (413, ["http: request body too large"])

    on_server(test)


def test_a_body_of_a_read_is_ignored() -> None:
    assert answer_to("LIST", "sys/policies/acl", body=b"{broken").status == 200


def test_a_large_body_on_a_sealed_node_is_503() -> None:
    async def test(server: MemoryServer) -> None:
        await server.seal()
        answer = await server.call("POST", "secret/data/a", body=b" " * 10_000)
        assert answer.status == 503
        unseal = await server.call("POST", "sys/unseal", body=b" " * 100_000)
        assert unseal.status == 413

    on_server(test)


def test_a_stranger_learns_nothing_by_the_size_of_a_body() -> None:
    for path in ("secret/data/a", "nope/x", "sys/policies/acl/x", "sys/nope"):
        for size in (5_000, 3_000_000):
            assert answer_to("POST", path, token="cus.bad", body=b" " * size).status == 403


def test_a_stranger_with_a_large_body_is_recorded_as_with_a_small_one() -> None:
    async def test(server: MemoryServer) -> None:
        server.recorder.lines.clear()
        body = b" " * 5_000
        answer = await server.call("POST", "secret/data/a", token="cus.bad", body=body)
        assert answer.status == 403
        kinds = [(record["type"], record["error"]) for record in server.recorder.records]
        assert kinds == [("request", "permission denied"), ("response", "permission denied")]
        server.recorder.broken = True
        answer = await server.call("POST", "secret/data/a", token="cus.bad", body=body)
        assert answer.status == 500

    on_server(test)


def test_an_unknown_defect_is_500_and_silence(caplog: pytest.LogCaptureFixture) -> None:
    class Broken:
        """A pipeline with a defect."""

        def __init__(self) -> None:
            self.statuses: list[int] = []

        async def handle(self, call: Call) -> Answer:
            raise RuntimeError(PLANTED + call.path)

        def body_limit(self, path: str, token: object) -> int:
            raise AssertionError(path, token)

        async def refuse(self, call: Call, error: Exception) -> None:
            raise AssertionError(call, error)

        def cross_origin(self, origin: str) -> None:
            raise AssertionError(origin)

        uploads: frozenset[str] = frozenset()

        def ignores_wrapping(self, path: str) -> bool:
            raise AssertionError(path)

        def count(self, status: int) -> None:
            self.statuses.append(status)

    async def test(server: MemoryServer) -> None:
        broken = Broken()
        server.app = App(broken, server.source)
        with caplog.at_level(logging.DEBUG):
            answer = await server.call("GET", "a/b")
        assert (answer.status, answer.errors) == (500, ["internal error"])
        assert "internal error: RuntimeError at" in caplog.text
        assert PLANTED not in caplog.text
        assert "Traceback" not in caplog.text
        assert broken.statuses == [500]

    on_server(test)


def test_other_protocols_are_not_ours() -> None:
    async def test(server: MemoryServer) -> None:
        async def never(*_: object) -> Any:
            raise AssertionError

        await server.app({"type": "lifespan"}, never, never)

    on_server(test)


def test_an_answer_that_is_no_json_is_an_internal_error() -> None:
    def bad(_request: Request, _rows: object) -> Reply:
        return Reply(data={"a": object()})

    route = Route("x", {Op.READ: reads(bad)}, help="Broken.", access=Access.AUTHENTICATED)

    async def main() -> None:
        async with MemoryServer(Engine("broken", (route,))) as server:
            await server.mount("broken", "broken")
            answer = await server.call("GET", "broken/x", token=server.root_token)
            assert (answer.status, answer.errors) == (500, ["internal error"])

    asyncio.run(main())
