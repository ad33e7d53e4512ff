"""A decision that is held is right each time: whatever it rests on may change between requests."""

from custody.base.secret import Secret
from custody.base.store import Table
from custody.core.call import Call
from custody.core.case import Standing
from custody.core.match import Match
from custody.core.mounts import SYS
from custody.core.standing import Standings, settled
from custody.plugin.context import Mount
from custody.plugin.route import Action, Engine, Kind, Op, Route
from custody.policy.acl import ACL
from custody.policy.defaults import ROOT_DOCUMENT
from custody.storage.memory import MemoryStore
from custody.testing.server import HandClock, MemoryServer
from custody.token.entry import TokenEntry

READ = 'path "secret/data/*" { capabilities = ["read", "list"] }'
WRITE = 'path "secret/data/*" { capabilities = ["create", "read", "update"] }'
PATH = "secret/data/app"
BODY = {"data": {"user": "u"}}


def standing(reads: dict[bytes, bytes | None]) -> Standing:
    """What a root token may do at a path, decided from these rows."""
    action = Action(lambda _request, _rows: None, Kind.READS)
    return Standing(
        engine=Engine("made", ()),
        mount=SYS,
        shape=Mount(SYS.id, SYS.path, SYS.kind, SYS.accessor, {}, 0, 0),
        below="app",
        match=Match(Route("app", {Op.READ: action}, help="One."), {}),
        action=action,
        operation="read",
        token_hash=b"k",
        token=TokenEntry(accessor="a", accessor_hash=b"h", policies=("root",)),
        caller=None,
        acl=ACL.compile([ROOT_DOCUMENT], 0),
        decision=None,
        reads=reads,
        tokens={},
        until_ns=0,
    )


class Ticking(MemoryServer):
    """A server with a secret."""

    clock: HandClock
    store: MemoryStore

    async def begin(self) -> None:
        await self.expect(200, "POST", PATH, token=self.root_token, body=BODY)


async def test_a_held_decision_is_not_read_again_in_its_process() -> None:
    async with Ticking() as server:
        await server.begin()
        token = await server.token(READ)
        await server.expect(200, "GET", PATH, token=token)
        server.store.load(
            (place, value[:-1] + bytes([value[-1] ^ 1]) if place[0] == Table.POLICY else value)
            for place, value in server.store.dump()
        )
        await server.expect(200, "GET", PATH, token=token)
        server.restart()
        damaged = await server.call("GET", PATH, token=token)
        assert (damaged.status, "POLICY" in damaged.errors[0]) == (500, True)


async def test_a_revoked_token_is_refused_by_the_next_request() -> None:
    async with Ticking() as server:
        await server.begin()
        token = await server.token(READ)
        await server.expect(200, "GET", PATH, token=token)
        await server.expect(
            204, "POST", "auth/token/revoke", token=server.root_token, body={"token": token}
        )
        await server.expect(403, "GET", PATH, token=token)


async def test_a_token_whose_parent_is_revoked_is_refused_by_the_next_request() -> None:
    async with Ticking() as server:
        await server.begin()
        policy = READ + 'path "auth/token/create" { capabilities = ["update"] }'
        parent = await server.token(policy)
        child = await child_of(server, parent, {})
        await server.expect(200, "GET", PATH, token=child)
        await server.expect(
            204, "POST", "auth/token/revoke", token=server.root_token, body={"token": parent}
        )
        await server.expect(403, "GET", PATH, token=child)


async def test_a_recalled_token_is_refused_by_the_next_request_and_the_others_stand() -> None:
    async with Ticking() as server:
        await server.begin()
        root = server.root_token
        await server.expect(204, "POST", "auth/token/roles/ci", token=root, body={})
        stays = await server.token(READ)
        made = await server.expect(200, "POST", "auth/token/create/ci", token=root, body={})
        goes = made.json["auth"]["client_token"]
        for token in (stays, goes):
            await server.expect(200, "GET", "auth/token/lookup-self", token=token)
            await server.expect(200, "GET", "auth/token/lookup-self", token=token)
        await server.expect(204, "PUT", "sys/leases/revoke-prefix/auth/token/create/ci", token=root)
        await server.expect(403, "GET", "auth/token/lookup-self", token=goes)
        await server.expect(200, "GET", "auth/token/lookup-self", token=stays)


async def test_other_tokens_come_and_go_and_a_decision_stands() -> None:
    async with Ticking() as server:
        await server.begin()
        token = await server.token(READ)
        for _ in range(3):
            await server.expect(200, "GET", PATH, token=token)
            await server.token(READ)
        await server.expect(200, "GET", PATH, token=token)


async def test_a_tightened_policy_governs_the_next_request() -> None:
    async with Ticking() as server:
        await server.begin()
        root = server.root_token
        path = "sys/policies/acl/app"
        await server.expect(204, "POST", path, token=root, body={"policy": READ})
        token = await made_with(server, "app")
        await server.expect(200, "GET", PATH, token=token)
        nothing = 'path "secret/data/*" { capabilities = ["deny"] }'
        await server.expect(204, "POST", path, token=root, body={"policy": nothing})
        await server.expect(403, "GET", PATH, token=token)
        await server.expect(204, "POST", path, token=root, body={"policy": READ})
        await server.expect(200, "GET", PATH, token=token)
        await server.expect(204, "DELETE", path, token=root)
        await server.expect(403, "GET", PATH, token=token)


async def test_a_disabled_mount_is_gone_for_the_next_request() -> None:
    async with Ticking() as server:
        await server.begin()
        await server.expect(200, "GET", PATH, token=server.root_token)
        await server.expect(204, "DELETE", "sys/mounts/secret", token=server.root_token)
        await server.expect(404, "GET", PATH, token=server.root_token)


async def test_a_decision_ends_with_its_token() -> None:
    async with Ticking() as server:
        await server.begin()
        token = await server.token(READ, ttl="60s")
        await server.expect(200, "GET", PATH, token=token)
        server.clock.advance(59)
        await server.expect(200, "GET", PATH, token=token)
        server.clock.advance(2)
        await server.expect(403, "GET", PATH, token=token)


async def test_a_decision_ends_with_an_ancestor() -> None:
    async with Ticking() as server:
        await server.begin()
        policy = READ + 'path "auth/token/create" { capabilities = ["update"] }'
        parent = await server.token(policy, ttl="60s")
        child = await child_of(server, parent, {"ttl": "10h"})
        await server.expect(200, "GET", PATH, token=child)
        server.clock.advance(61)
        await server.expect(403, "GET", PATH, token=child)


async def test_a_decision_ends_with_its_policy() -> None:
    async with Ticking() as server:
        await server.begin()
        body = {"policy": READ, "ttl": "60s"}
        await server.expect(204, "POST", "sys/policies/acl/app", token=server.root_token, body=body)
        token = await made_with(server, "app")
        await server.expect(200, "GET", PATH, token=token)
        server.clock.advance(61)
        await server.expect(403, "GET", PATH, token=token)


async def test_creating_and_updating_are_decided_apart_after_a_deletion_too() -> None:
    async with Ticking() as server:
        update_only = 'path "secret/data/*" { capabilities = ["update"] }'
        token = await server.token(update_only)
        root = server.root_token
        await server.begin()
        for _ in range(2):
            await server.expect(200, "POST", PATH, token=token, body=BODY)
        await server.expect(204, "DELETE", "secret/metadata/app", token=root)
        await server.expect(403, "POST", PATH, token=token, body=BODY)
        await server.expect(200, "POST", PATH, token=root, body=BODY)
        await server.expect(200, "POST", PATH, token=token, body=BODY)


async def test_what_rests_on_parameters_is_decided_each_time() -> None:
    async with Ticking() as server:
        await server.begin()
        policy = """path "secret/data/*" {
          capabilities = ["read"]
          denied_parameters = { version = ["1"] }
        }"""
        token = await server.token(policy)
        await server.expect(200, "GET", PATH, token=token)
        await server.expect(403, "GET", f"{PATH}?version=1", token=token)
        await server.expect(200, "GET", PATH, token=token)


async def test_a_limited_token_has_no_more_uses_than_it_was_given() -> None:
    async with Ticking() as server:
        await server.begin()
        token = await server.token(READ, num_uses=3)
        for _ in range(3):
            await server.expect(200, "GET", PATH, token=token)
        await server.expect(403, "GET", PATH, token=token)


async def test_each_request_is_recorded_as_its_own() -> None:
    async with Ticking() as server:
        await server.begin()
        token = await server.token(READ)
        first = await server.expect(200, "GET", PATH, token=token)
        second = await server.expect(200, "GET", PATH, token=token)
        records = server.recorder.records[-4:]
        assert [record["request"]["id"] for record in records] == [
            first.json["request_id"], first.json["request_id"],
            second.json["request_id"], second.json["request_id"],
        ]  # fmt: skip
        for earlier, later in zip(records[:2], records[2:], strict=True):
            later["request"]["id"] = earlier["request"]["id"]
            assert later == earlier


def test_no_more_decisions_are_held_than_the_bound() -> None:
    standings = Standings(limit=3)
    nothing = standing({})
    for number in range(10):
        standings.keep((bytes([number]), Op.READ, PATH), nothing)
        assert len(standings) <= 3


async def made_with(server: MemoryServer, policy: str) -> str:
    return await child_of(server, server.root_token, {"policies": [policy]})


async def child_of(server: MemoryServer, parent: str, body: dict[str, object]) -> str:
    made = await server.expect(200, "POST", "auth/token/create", token=parent, body=body)
    token: str = made.json["auth"]["client_token"]
    return token


async def test_a_table_of_devices_that_is_gone_refuses_every_request_not_only_the_first() -> None:
    async with Ticking() as server:
        await server.begin()
        rows = [row for row in server.store.dump() if row[0][0] != Table.AUDIT]
        server.store.load(rows)
        server.restart()
        for _ in range(2):
            await server.expect(500, "GET", PATH, token=server.root_token)


async def test_a_token_bound_to_addresses_is_held_to_them_each_time() -> None:
    async with Ticking() as server:
        await server.begin()
        role = {"token_bound_cidrs": ["127.0.0.1/32"], "allowed_policies_glob": ["*"]}
        root = server.root_token
        await server.expect(204, "POST", "auth/token/roles/near", token=root, body=role)
        await server.expect(204, "POST", "sys/policies/acl/app", token=root, body={"policy": READ})
        made = await server.expect(
            200, "POST", "auth/token/create/near", token=root, body={"policies": ["app"]}
        )
        token = made.json["auth"]["client_token"]
        await server.expect(200, "GET", PATH, token=token)
        server.address = "203.0.113.9"
        await server.expect(403, "GET", PATH, token=token)


async def test_a_batch_token_ends_with_its_parent_and_the_parents_of_that() -> None:
    async with Ticking() as server:
        await server.begin()
        makes = READ + 'path "auth/token/create" { capabilities = ["update"] }'
        grandparent = await server.token(makes, ttl="60s")
        parent = await child_of(server, grandparent, {"ttl": "10h"})
        batch = await child_of(server, parent, {"ttl": "10h", "type": "batch"})
        await server.expect(200, "GET", PATH, token=batch)
        server.clock.advance(61)
        await server.expect(403, "GET", PATH, token=batch)


def test_a_decision_that_rests_on_other_rows_than_those_watched_is_not_held() -> None:
    call = Call("id", Op.READ, PATH, Secret("text"))
    watched, other = bytes([Table.TOKEN]) + b"k", bytes([Table.SETTING]) + b"k"
    assert settled(call, standing({watched: b""}))
    assert not settled(call, standing({watched: b"", other: b""}))
