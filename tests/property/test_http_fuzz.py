"""Whatever is sent, the answer is a status and JSON or nothing: never a defect, never an echo."""

import asyncio
import contextlib
import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from custody.plugin.route import Op
from custody.serve import catalog
from custody.testing.server import MemoryServer, Response

MOUNTS = {"system": "sys/", "token": "auth/token/", "kv": "secret/"}  # others: by their kind
SLOW = {"sys/pprof/profile"}  # takes the seconds that it is asked for, 30 where nothing is said
VERBS = ("GET", "HEAD", "LIST", "SCAN", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "X")
BODIED = ("POST", "PUT", "PATCH")
LONGEST_ERROR = 1000  # bytes, whatever was sent
SAFE = settings(max_examples=150, suppress_health_check=list(HealthCheck))


@dataclass(frozen=True, slots=True)
class Sent:
    """A request in its raw parts."""

    method: str
    path: str
    query: str
    headers: list[tuple[str, str]]
    body: bytes


class Fuzzed:
    """One server for many requests, in a loop of its own; a new one when its root token is gone."""

    def __init__(self) -> None:
        self._runner = asyncio.Runner()
        self.server: MemoryServer
        self.token = ""
        self._runner.run(self._open())

    async def _open(self) -> None:
        self.server = await MemoryServer().__aenter__()
        await self.server.mount("kv-v1", "kv-v1")
        self.token = await self.server.token('path "*" { policy = "write" }')

    def send(
        self, method: str, path: str, headers: list[tuple[str, str]], chunks: list[bytes]
    ) -> Response:
        """The answer. What the request destroyed for the next one is made good."""
        return self._runner.run(self._send(method, path, headers, chunks))

    async def _send(
        self, method: str, path: str, headers: list[tuple[str, str]], chunks: list[bytes]
    ) -> Response:
        server = self.server
        answer = await server.exchange(method, path, headers, chunks)
        assert answer is not None
        if server.barrier.sealed:
            await server.unseal()
        for token in (server.root_token, self.token):
            if (await server.call("GET", "auth/token/lookup-self", token=token)).status != 200:
                await server.broker.close()
                await self._open()
                break
        return answer

    def close(self) -> None:
        """End the loop."""
        self._runner.run(self.server.broker.close())
        self._runner.close()


@pytest.fixture(scope="module")
def fuzzed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fuzzed]:
    """A server that lives as long as the file's tests, in a folder where it may leave files."""
    one = Fuzzed()
    with contextlib.chdir(tmp_path_factory.mktemp("fuzzed")):
        yield one
    one.close()


def check(answer: Response, caplog: pytest.LogCaptureFixture) -> None:
    """What holds for every answer."""
    assert answer.status not in {500, 502, 504}, answer.body
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]
    if answer.body:
        if answer.headers["content-type"] == "application/json":
            assert answer.body.endswith(b"\n")
            msgspec.json.decode(answer.body)
        assert answer.headers["content-length"] == str(len(answer.body))
    if answer.status >= 400 and answer.body and "errors" in answer.json:
        assert len(answer.body) < LONGEST_ERROR


def known_paths() -> list[str]:
    """Every route's path, with its captures left to be filled."""
    return [
        path
        for engine in catalog.load().values()
        for route in engine.routes
        if (path := MOUNTS.get(engine.kind, f"{engine.kind}/") + route.pattern) not in SLOW
    ]


names = st.text(st.characters(codec="utf-8", exclude_characters="?#"), max_size=12)
words = st.sampled_from(
    ["", "a", "app", "..", ".", "%2e%2e", "%00", "%ff", "%zz", "x" * 401, "ü", "a b", "default"]
)
paths = st.one_of(
    st.builds("/v1/{}/{}".format, st.sampled_from(["secret", "sys", "auth"]), names),
    st.lists(words | names, max_size=6).map("/v1/".join),
    st.lists(words, max_size=6).map(lambda parts: "/v1/" + "/".join(parts)),
    st.builds(
        lambda pattern, word: (
            "/v1/" + pattern[: pattern.find("{")] + word if "{" in pattern else "/v1/" + pattern
        ),
        st.sampled_from(known_paths()),
        words,
    ),
)
scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8"), max_size=20)
    | st.sampled_from([10**30, 2**63, -(2**64), "x" * 2000, "1h", "a=b", "\0", "{{", "path"])
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=6,
)
fields = sorted(
    {
        field.name
        for engine in catalog.load().values()
        for route in engine.routes
        for op, action in route.actions.items()
        if op in {Op.WRITE, Op.PATCH} and action.body is not None
        for field in msgspec.structs.fields(action.body)
    }
)
# A share would unseal, a policy or a mount would change what the next request may do: all are
# welcome here, for nothing may break the server.
objects = st.dictionaries(st.sampled_from(fields) | names, values, max_size=5)
bodies = st.one_of(
    objects.map(lambda value: _json(value)),  # noqa: PLW0108 defined below
    st.binary(max_size=60),
    st.sampled_from(
        [
            b"", b" ", b"null", b"[]", b"{", b'{"a":1}{', b"[" * 5000, b'{"a":' * 5000,
            b'{"a":1e999}', b'{"data":{"n":' + b"9" * 4000 + b"}}", b'{"a":"\\ud800"}',
            b'{"data":{"a":1,"a":2}}', b"\xff\xfe", b" " * 5000, b"a=b&c=d", b'{"a":NaN}',
        ]
    ),
)  # fmt: skip
headers = st.lists(
    st.sampled_from(
        [
            ("Content-Type", "application/merge-patch+json"),
            ("Content-Type", "application/x-www-form-urlencoded"),
            ("Content-Type", "\xff;="),
            ("Content-Length", "5"),
            ("Content-Length", "99999999999"),
            ("Content-Length", "-1"),
            ("Transfer-Encoding", "chunked"),
            ("X-Vault-Namespace", "root"),
            ("X-Vault-Namespace", "../x"),
            ("X-Vault-Wrap-TTL", "60"),
            ("X-Vault-Wrap-TTL", "1e99"),
            ("Authorization", "Bearer \xff"),
            ("X-Vault-Token", "\xe9"),
            ("X-Vault-Token", ""),
            ("X", "y" * 70_000),
        ]
    ),
    max_size=3,
)
queries = st.sampled_from(
    ["", "?", "?list=true", "?list=maybe", "?scan=1", "?help=1", "?version=x", "?a=%ff", "?=&&=",
     "?limit=-1&after=%C3%BC", "?" + "a=1&" * 500, "?version=" + "9" * 5000, "?depth=-1", "?list"]
)  # fmt: skip


def _json(value: Any) -> bytes:
    return json.dumps(value).encode()  # it writes integers of any size


requests = st.builds(Sent, st.sampled_from(VERBS), paths, queries, headers, bodies)


@SAFE
@given(requests, st.booleans())
def test_no_request_breaks_the_server(
    fuzzed: Fuzzed,
    caplog: pytest.LogCaptureFixture,
    sent: Sent,
    known: bool,  # noqa: FBT001 a case
) -> None:
    headers = [("X-Vault-Token", fuzzed.token if known else "cus.unknown"), *sent.headers]
    if not {"Content-Length", "Transfer-Encoding"} & {name for name, _ in headers}:
        headers.append(("Content-Length", str(len(sent.body))))
    check(fuzzed.send(sent.method, sent.path + sent.query, headers, [sent.body]), caplog)


@SAFE
@given(st.sampled_from(known_paths()), st.sampled_from(BODIED), words, objects)
def test_no_fields_of_a_known_route_break_it(
    fuzzed: Fuzzed,
    caplog: pytest.LogCaptureFixture,
    pattern: str,
    method: str,
    word: str,
    fields: dict[str, Any],
) -> None:
    path = pattern.partition("{")[0] + (word if "{" in pattern else "")
    body = _json(fields)
    sent = [("X-Vault-Token", fuzzed.server.root_token), ("Content-Length", str(len(body)))]
    if method == "PATCH":
        sent.append(("Content-Type", "application/merge-patch+json"))
    check(fuzzed.send(method, f"/v1/{path}", sent, [body]), caplog)


@SAFE
@given(st.lists(st.binary(max_size=30), max_size=5), st.sampled_from(BODIED))
def test_a_body_in_pieces_is_the_body(
    fuzzed: Fuzzed, caplog: pytest.LogCaptureFixture, chunks: list[bytes], method: str
) -> None:
    token, whole = ("X-Vault-Token", fuzzed.token), b"".join(chunks)
    media = ("Content-Type", "application/merge-patch+json")
    chunked = [token, media, ("Transfer-Encoding", "chunked")]
    path = "/v1/sys/capabilities-self"
    pieces = fuzzed.send(method, path, chunked, chunks or [b""])
    check(pieces, caplog)
    sized = [token, media, ("Content-Length", str(len(whole)))]
    assert pieces.status == fuzzed.send(method, path, sized, [whole]).status
