"""One suite over the route tables of every engine: what a table promises is what callers get."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import msgspec
import pytest
from tests.conformance.answering import check
from tests.conformance.recorder import Record, RecordingServer

from custody.core import wrap
from custody.core.openapi import answers
from custody.core.router import captured, captures
from custody.http.limits import SMALL_BODY_BYTES
from custody.plugin.fields import described
from custody.plugin.route import Access, Action, Engine, Op, Route
from custody.serve import catalog
from custody.testing.server import KV_MOUNT, MemoryServer, Response

MOUNTS = {"system": "sys/", "token": "auth/token/", "cubbyhole": "cubbyhole/", "kv-v1": "plain/"}
BUILTIN = {"sys", "auth", "cubbyhole"}
VERBS = {
    Op.READ: "GET",
    Op.LIST: "LIST",
    Op.SCAN: "SCAN",
    Op.WRITE: "POST",
    Op.PATCH: "PATCH",
    Op.DELETE: "DELETE",
}
BODIED = {Op.WRITE, Op.PATCH}
OPEN = {Access.PUBLIC, Access.OPTIONAL}
ALL_BUT_SUDO = """
path "*" { capabilities = ["create", "read", "update", "patch", "delete", "list", "scan"] }
"""
NOTHING = 'path "none" { capabilities = ["deny"] }'
WRONG: Mapping[str, object] = {
    "string": {"not": "text"},
    "int": "seven",
    "bool": "perhaps",
    "float": "much",
    "duration (sec)": "soonish",
    "slice": {"not": "a list"},
    "keypair": [1],
    "map": [1],
}


@dataclass(frozen=True, slots=True)
class Case:
    """One verb of one route, at a path that it matches."""

    engine: Engine
    route: Route
    op: Op
    action: Action

    @property
    def path(self) -> str:
        mount = MOUNTS.get(self.engine.kind, f"{KV_MOUNT}/")
        return mount + re.sub(r"\{[^}]*\}", "some-name", self.route.pattern)

    @property
    def access(self) -> Access:
        return self.action.access or self.route.access

    @property
    def typed(self) -> Mapping[str, str]:
        """The fields whose values can be of a wrong type, with their kinds."""
        fields = described(self.action.body)
        return {name: one.kind for name, one in fields.items() if one.kind in WRONG}

    def __str__(self) -> str:
        return f"{VERBS[self.op]} {self.path}"


def cases() -> Iterator[Case]:
    for engine in catalog.load().values():
        for route in engine.routes:
            for op, action in route.actions.items():
                yield Case(engine, route, op, action)


CASES = list(cases())
CLOSED = [case for case in CASES if case.access not in OPEN]
# A wrapping token is looked at before the caller is: tests/unit/system/test_wrapping.py
MUTE = [case for case in CLOSED if case.path not in wrap.PATHS]
SUDO = [case for case in CASES if case.access is Access.SUDO]
WITH_BODY = [case for case in CASES if case.op in BODIED and not case.route.upload]
TYPED = [case for case in CASES if case.typed]
LINE = re.compile(r"[A-Z`].{1,150}\.")  # what there is to say of a parameter
LISTING = {Op.LIST, Op.SCAN}
JSON = "application/json"
ENVELOPE = {
    "request_id", "lease_id", "renewable", "lease_duration",
    "data", "wrap_info", "warnings", "auth",
}  # fmt: skip
WRAPPABLE = [
    case
    for case in CASES
    if not case.route.raw and not (case.route.sealed and case.access is Access.PUBLIC)
]
SHUT_WHEN_SEALED = [case for case in CASES if not case.route.sealed]


def on_server(test: Callable[[MemoryServer], Awaitable[None]]) -> None:
    """Run a test on a server of its own, all of whose answers are what the tables say."""
    record = Record()

    async def main() -> None:
        async with RecordingServer(record) as server:
            await server.mount("plain", "kv-v1")
            await test(server)
        check(record)

    asyncio.run(main())


async def ask(server: MemoryServer, case: Case, token: str = "", body: object = None) -> Response:
    """The call of a case, its body in the query where its verb has none."""
    path = case.path
    if case.op not in BODIED and isinstance(body, Mapping):
        path += "?" + "&".join(f"{name}={_text(value)}" for name, value in body.items())
        body = None
    return await server.call(VERBS[case.op], path, token=token, body=body)


def _text(value: object) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


@pytest.mark.parametrize("case", MUTE, ids=str)
def test_without_a_token_nothing_is_told(case: Case) -> None:
    async def test(server: MemoryServer) -> None:
        for token in ("", "cus.notoken", "hvs.x" * 40):
            answer = await ask(server, case, token, {})
            assert (answer.status, answer.errors) == (403, ["permission denied"])

    on_server(test)


@pytest.mark.parametrize("case", MUTE, ids=str)
def test_a_token_without_rights_is_refused(case: Case) -> None:
    async def test(server: MemoryServer) -> None:
        token = await server.token(NOTHING, no_default_policy=True)
        answer = await ask(server, case, token)
        assert answer.status == 403
        assert answer.errors == ["1 error occurred:\n\t* permission denied\n\n"]

    on_server(test)


@pytest.mark.parametrize("case", SUDO, ids=str)
def test_a_protected_path_asks_for_sudo(case: Case) -> None:
    async def test(server: MemoryServer) -> None:
        answer = await ask(server, case, await server.token(ALL_BUT_SUDO), {})
        assert answer.status == 403
        assert answer.errors == ["1 error occurred:\n\t* permission denied\n\n"]

    on_server(test)


@pytest.mark.parametrize("case", SHUT_WHEN_SEALED, ids=str)
def test_a_sealed_node_answers_503(case: Case) -> None:
    async def test(server: MemoryServer) -> None:
        await server.seal()
        for token in ("", server.root_token):
            answer = await ask(server, case, token, {})
            assert (answer.status, answer.errors) == (503, ["Vault is sealed"])

    on_server(test)


@pytest.mark.parametrize("case", WITH_BODY, ids=str)
def test_a_body_over_the_limit_is_refused(case: Case) -> None:
    async def test(server: MemoryServer) -> None:
        over = b'{"x":"' + b"x" * case.route.max_body + b'"}'
        answer = await ask(server, case, server.root_token, over)
        assert (answer.status, answer.errors) == (413, ["http: request body too large"])

    on_server(test)


@pytest.mark.parametrize("case", [case for case in WITH_BODY if case in CLOSED], ids=str)
def test_a_limit_is_not_told_to_strangers(case: Case) -> None:
    async def test(server: MemoryServer) -> None:
        for size in (SMALL_BODY_BYTES + 1, case.route.max_body + 1):
            for path in (case.path, "no-such-mount/x"):
                answer = await server.call("POST", path, token="cus.stranger", body=b" " * size)
                assert answer.status == 403

    on_server(test)


@pytest.mark.parametrize("case", WITH_BODY, ids=str)
def test_no_limit_is_below_what_is_taken_without_asking(case: Case) -> None:
    assert case.route.max_body >= SMALL_BODY_BYTES


@pytest.mark.parametrize("case", WITH_BODY, ids=str)
def test_what_is_not_a_json_object_is_refused(case: Case) -> None:
    async def test(server: MemoryServer) -> None:
        for body in (b"{", b"[1]", b'"x"', b"{} {}", b'{"a":\xff}'):
            answer = await ask(server, case, server.root_token, body)
            assert answer.status == 400
            assert answer.errors[0].startswith("failed to decode JSON input: ")

    on_server(test)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_an_unknown_field_is_warned_of_where_there_is_a_body(case: Case) -> None:
    async def test(server: MemoryServer) -> None:
        body = {"zzz": "1", "aaa": "2"}
        if "seconds" in case.typed:  # a profile takes so long
            body["seconds"] = "1"
        answer = await ask(server, case, server.root_token, body)
        assert answer.status != 500
        if answer.status == 200 and not case.route.raw and not case.action.free:
            warning = "Endpoint ignored these unrecognized parameters: [aaa zzz]"
            assert warning in answer.warnings

    on_server(test)


@pytest.mark.parametrize("case", TYPED, ids=str)
def test_a_value_of_the_wrong_type_is_the_callers_mistake_and_names_the_field(case: Case) -> None:
    async def test(server: MemoryServer) -> None:
        for name, kind in case.typed.items():
            if case.op not in BODIED and kind in {"string", "slice"}:
                continue  # everything in a query is text
            answer = await ask(server, case, server.root_token, {name: WRONG[kind]})
            assert answer.status == 400, name
            assert f'field "{name}"' in answer.errors[0]

    on_server(test)


@pytest.mark.parametrize("case", TYPED, ids=str)
def test_what_stands_in_the_wrong_field_is_in_no_record_in_clear(case: Case) -> None:
    async def test(server: MemoryServer) -> None:
        server.recorder.lines.clear()
        for name in case.typed:
            await ask(server, case, server.root_token, {name: "misplaced-secret"})
        for record in server.recorder.records:
            assert "misplaced" not in record.get("error", "")

    on_server(test)


@pytest.mark.parametrize("case", TYPED, ids=str)
def test_no_value_of_a_field_is_an_internal_error(case: Case) -> None:
    values: tuple[Any, ...] = (
        None, True, 0, -1, 2**63, -(2**63) - 1, 10**30, 1.5, 1e308, "", " ", "\x00", "é" * 300,
        "99999999999999999999", "-1", "1h", [], [None], [[]], ["a=b"], {}, {"": None}, {"a": {}},
    )  # fmt: skip

    async def test(server: MemoryServer) -> None:
        for name in case.typed:
            for value in values:
                sent = value if case.op in BODIED else quote(str(value))
                answer = await ask(server, case, server.root_token, {name: sent})
                assert answer.status != 500, (name, value, answer.body)

    on_server(test)


@pytest.mark.parametrize("case", WRAPPABLE, ids=str)
def test_every_answer_with_a_body_is_wrapped_where_that_is_asked_for(case: Case) -> None:
    async def test(server: MemoryServer) -> None:
        headers = (("X-Vault-Wrap-TTL", "60"),)
        answer = await server.call(
            VERBS[case.op],
            case.path,
            token=server.root_token,
            body={"x": "y"} if case.op in BODIED else None,
            headers=headers,
        )
        if answer.status != 200:
            assert not answer.body or "errors" in answer.json
            return
        shown = answer.json
        assert shown["wrap_info"]["creation_path"] == case.path.rstrip("/") or case.op in LISTING
        assert [shown[name] for name in ("data", "auth", "warnings")] == [None] * 3
        assert set(shown) == ENVELOPE

    on_server(test)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_verb_that_a_route_does_not_know_is_405_to_whom_it_is_told(case: Case) -> None:
    """But a list is asked of a folder, which most paths are not: then there is no such path."""
    route = case.route
    before_mounts = route.sealed and route.access is Access.PUBLIC
    folder = Op.LIST in route.actions or route.pattern.endswith("...}") or before_mounts

    async def test(server: MemoryServer) -> None:
        for op in set(Op) - set(case.route.actions):
            path = case.path.rstrip("/")
            answer = await server.call(VERBS[op], path, token=server.root_token, body={})
            assert answer.status == (404 if op in LISTING and not folder else 405), op

    on_server(test)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_help_is_for_whoever_has_a_valid_token(case: Case) -> None:
    async def test(server: MemoryServer) -> None:
        mount = case.path.split("/")[0]
        nearby = NOTHING if mount in BUILTIN else f'path "{mount}/x" {{ capabilities = ["read"] }}'
        token = await server.token(nearby, no_default_policy=True)
        answer = await server.call("GET", f"{case.path}?help=1", token=token)
        assert answer.status == 200
        assert case.route.help in answer.json["help"]
        assert (await server.call("GET", f"{case.path}?help=1")).status == 403

    on_server(test)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_what_answers_with_json_states_its_shape(case: Case) -> None:
    replies, _ = answers(case.action)
    if replies and JSON in case.action.media:
        assert case.action.shows is not None or case.action.grants


@pytest.mark.parametrize("engine", catalog.load().values(), ids=lambda engine: engine.kind)
def test_every_route_says_what_it_is_for(engine: Engine) -> None:
    for route in engine.routes:
        assert route.help.endswith(".")
        assert route.takes.keys() <= set(captures(route.pattern)), route.pattern
        assert all(action.run.__doc__ for action in route.actions.values()), route.pattern


@pytest.mark.parametrize("case", CASES, ids=str)
def test_every_parameter_says_in_a_line_what_it_is(case: Case) -> None:
    fields = {**described(case.action.body), **captured(case.route)}
    told = {name: one.about for name, one in fields.items()}
    assert [name for name, text in told.items() if not LINE.fullmatch(text)] == []


@pytest.mark.parametrize("case", CASES, ids=str)
def test_help_tells_what_each_parameter_is(case: Case) -> None:
    async def test(server: MemoryServer) -> None:
        path = f"{case.path}?help=1"
        answer = await server.expect(200, "GET", path, token=server.root_token)
        for name, one in {**described(case.action.body), **captured(case.route)}.items():
            assert f"    {name} ({one.kind})\n        {one.told}\n" in answer.json["help"]

    on_server(test)


def test_data_are_repeated_at_the_top_where_old_clients_read_them_there() -> None:
    system = catalog.load()["system"]
    assert {route.pattern for route in system.routes if route.top} == {
        "audit", "audit-hash/{path...}", "auth", "auth/{path...}", "auth/{path...}/tune",
        "capabilities", "capabilities-accessor", "capabilities-self", "config/cors",
        "config/auditing/request-headers", "config/auditing/request-headers/{header:any}",
        "ha-status", "key-status", "mounts", "mounts/{path...}", "mounts/{path...}/tune",
        "policy", "policy/{name...}", "rekey/backup", "rekey/recovery-key-backup", "remount",
        "rotate/recovery/backup", "rotate/root/backup", "wrapping/wrap",
    }  # fmt: skip
