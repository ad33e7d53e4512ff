"""Batch tokens: nothing stored, nothing revocable, and gone the moment their parent is."""

from typing import Any

import pytest
from tests.unit.core.stage import Stage

from custody.base.store import Table
from custody.testing.server import MemoryServer, Response
from custody.token import format as formats

BROAD = """
path "probe/*" { capabilities = ["create", "read", "update", "delete"] }
path "auth/token/*" { capabilities = ["create", "read", "update", "sudo"] }
path "sys/capabilities*" { capabilities = ["update"] }
"""
NOTE = "probe/note/a"


async def new(server: MemoryServer, parent: str = "", **fields: Any) -> Any:
    """The auth of a new batch token."""
    body = {"type": "batch", "policies": ["broad"], **fields}
    token = parent or server.root_token
    answer = await server.expect(200, "POST", "auth/token/create", token=token, body=body)
    return answer.json["auth"]


async def with_policy(stage: Stage) -> None:
    path = "sys/policies/acl/broad"
    await stage.expect(204, "POST", path, token=stage.root_token, body={"policy": BROAD})


async def good(server: MemoryServer, token: str) -> bool:
    answer = await server.call("GET", "auth/token/lookup-self", token=token)
    return answer.status == 200


def refusal(answer: Response) -> str:
    assert answer.status == 400
    return answer.errors[0]


async def test_it_lets_in_and_leaves_no_row() -> None:
    async with Stage() as stage:
        await with_policy(stage)
        before = [stage.rows(table) for table in Table]
        auth = await new(stage, ttl="1h", meta={"k": "v"}, display_name="x")
        assert [stage.rows(table) for table in Table if table is not Table.LOG] == [
            rows for table, rows in zip(Table, before, strict=True) if table is not Table.LOG
        ]
        assert (auth["accessor"], auth["token_type"], auth["renewable"]) == ("", "batch", False)
        assert (auth["lease_duration"], auth["orphan"], auth["num_uses"]) == (3600, False, 0)
        token = auth["client_token"]
        assert token.startswith("cub.")
        await stage.expect(204, "POST", NOTE, token=token, body={"text": "t"})
        read = await stage.expect(200, "GET", NOTE, token=token)
        assert read.data == {"text": "t"}
        assert (await stage.call("GET", "sys/mounts", token=token)).status == 403


async def test_what_is_shown_of_it_is_what_was_asked_for() -> None:
    async with Stage() as stage:
        await with_policy(stage)
        token = (await new(stage, ttl="1h", meta={"k": "v"}, display_name="x"))["client_token"]
        stage.clock.advance(10)
        own = await stage.expect(200, "GET", "auth/token/lookup-self", token=token)
        asked = await stage.expect(
            200, "POST", "auth/token/lookup", token=stage.root_token, body={"token": token}
        )
        assert own.data == asked.data
        shown = own.data
        assert shown["id"] == token
        assert (shown["accessor"], shown["type"], shown["orphan"]) == ("", "batch", False)
        assert (shown["creation_ttl"], shown["ttl"], shown["explicit_max_ttl"]) == (3600, 3590, 0)
        assert shown["policies"] == ["broad", "default"]
        assert (shown["meta"], shown["display_name"]) == ({"k": "v"}, "token-x")
        assert (shown["path"], shown["num_uses"]) == ("auth/token/create", 0)
        assert shown["renewable"] is False
        body = {"paths": [NOTE], "token": token}
        path = "sys/capabilities"
        asked = await stage.expect(200, "POST", path, token=stage.root_token, body=body)
        assert asked.data[NOTE] == ["create", "delete", "read", "update"]
        own = await stage.expect(200, "POST", "sys/capabilities-self", token=token, body=body)
        assert own.data == asked.data


async def test_it_falls_with_its_parent_and_ends_by_itself() -> None:
    async with Stage() as stage:
        await with_policy(stage)
        grand = await stage.token(BROAD, ttl="2h")
        parent = (
            await stage.expect(200, "POST", "auth/token/create", token=grand, body={"ttl": "1h"})
        ).json["auth"]["client_token"]
        body = {"type": "batch", "ttl": "30m"}
        made = await stage.expect(200, "POST", "auth/token/create", token=parent, body=body)
        batch = made.json["auth"]["client_token"]
        short = (await new(stage, ttl="1m"))["client_token"]
        orphan = (await new(stage, no_parent=True))["client_token"]
        assert all([await good(stage, token) for token in (batch, short, orphan)])
        stage.clock.advance(61)
        assert not await good(stage, short)
        body = {"token": grand}
        await stage.expect(204, "POST", "auth/token/revoke", token=stage.root_token, body=body)
        assert not await good(stage, batch)
        assert await good(stage, orphan)


async def test_a_write_of_its_is_lost_with_its_parent() -> None:
    async with Stage() as stage:
        await with_policy(stage)
        parent = await stage.token(BROAD)
        body = {"type": "batch"}
        made = await stage.expect(200, "POST", "auth/token/create", token=parent, body=body)
        batch = made.json["auth"]["client_token"]

        async def revoke() -> None:
            body = {"token": parent}
            await stage.expect(204, "POST", "auth/token/revoke", token=stage.root_token, body=body)

        stage.broker.upon(NOTE, revoke)
        answer = await stage.call("POST", NOTE, token=batch, body={"text": "late"})
        assert answer.status == 403
        assert await stage.noted("a") == ""


@pytest.mark.parametrize(
    ("path", "own", "text"),
    [
        ("renew", False, "batch tokens cannot be renewed"),
        ("renew-self", True, "batch tokens cannot be renewed"),
        ("revoke", False, "batch tokens cannot be revoked"),
        ("revoke-self", True, "batch tokens cannot be revoked"),
        ("revoke-orphan", False, "batch tokens cannot be revoked"),
        ("create", True, "batch tokens cannot create more tokens"),
        ("create-orphan", True, "batch tokens cannot create more tokens"),
    ],
)
async def test_what_it_cannot_do_is_named(path: str, text: str, *, own: bool) -> None:
    async with Stage() as stage:
        await with_policy(stage)
        batch = (await new(stage))["client_token"]
        caller, body = (batch, {}) if own else (stage.root_token, {"token": batch})
        answer = await stage.call("POST", f"auth/token/{path}", token=caller, body=body)
        assert refusal(answer) == text


async def test_it_keeps_nothing_to_itself() -> None:
    async with Stage() as stage:
        await with_policy(stage)
        batch = (await new(stage))["client_token"]
        text = "cubbyhole operations are only supported by 'service' type tokens"
        for method in ("GET", "POST", "LIST", "DELETE"):
            answer = await stage.call(method, "cubbyhole/a", token=batch, body={"a": "1"})
            assert refusal(answer) == text


async def test_answers_to_it_are_wrapped_and_it_unwraps() -> None:
    async with Stage() as stage:
        await with_policy(stage)
        await stage.note("a", "text")
        batch = (await new(stage))["client_token"]
        headers = (("X-Vault-Wrap-TTL", "60"),)
        wrapped = await stage.expect(200, "GET", NOTE, token=batch, headers=headers)
        body = {"token": wrapped.json["wrap_info"]["token"]}
        opened = await stage.expect(200, "POST", "sys/wrapping/unwrap", token=batch, body=body)
        assert opened.data == {"text": "text"}
        made = await stage.expect(
            200,
            "POST",
            "auth/token/create",
            token=stage.root_token,
            body={"type": "batch", "policies": ["broad"]},
            headers=headers,
        )
        assert "wrapped_accessor" not in made.json["wrap_info"]


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"policies": ["root"]}, "batch tokens cannot be root tokens"),
        ({"period": "1h"}, 'batch tokens cannot have "period" set'),
        ({"explicit_max_ttl": "1h"}, 'batch tokens cannot have "explicit_max_ttl" set'),
        ({"num_uses": 3}, 'batch tokens cannot have "num_uses" set'),
        (
            {"meta": {"k": "x" * 8000}},
            (
                "the batch token would be longer than 8192 characters: "
                "give it fewer policies or less metadata"
            ),
        ),
    ],
)
async def test_what_a_batch_token_cannot_have_is_named(fields: dict[str, Any], text: str) -> None:
    async with MemoryServer() as server:
        body = {"type": "batch", "policies": ["default"], **fields}
        answer = await server.call("POST", "auth/token/create", token=server.root_token, body=body)
        assert refusal(answer) == text


async def test_a_long_one_is_taken_and_an_id_for_one_is_not() -> None:
    async with MemoryServer() as server:
        body = {
            "type": "batch", "policies": ["default"], "meta": {"k": "x" * 5000}, "id": "mine",
        }  # fmt: skip
        path = "auth/token/create"
        made = await server.expect(200, "POST", path, token=server.root_token, body=body)
        assert made.warnings == [
            "A batch token has no ID that could be chosen: the ID was ignored."
        ]
        token = made.json["auth"]["client_token"]
        assert formats.MAX_LENGTH < len(token) < formats.MAX_BATCH_LENGTH
        assert await good(server, token)
        assert not await good(server, "mine")


async def test_no_other_text_is_one() -> None:
    async with Stage() as stage:
        await with_policy(stage)
        real = (await new(stage))["client_token"]
        content = formats.batch_content(real)
        assert content is not None
        for wrong in (
            real[:-1],
            real + "x",
            real[:-7] + real[-6:],
            formats.batch_id(content[:-1]),
            formats.batch_id(content[:5] + bytes([content[5] ^ 1]) + content[6:]),
            formats.batch_id(b""),
            formats.batch_id(b"x" * 40),
            "cub.",
            "cub." + "é" * 40,
            "cub." + "A" * 9000,
        ):
            answer = await stage.call("GET", NOTE, token=wrong)
            assert (answer.status, answer.errors) == (403, ["permission denied"]), wrong
        assert await good(stage, real)


async def test_it_outlives_a_rotation_and_another_server_knows_nothing_of_it() -> None:
    async with Stage() as stage, MemoryServer() as other:
        await with_policy(stage)
        token = (await new(stage))["client_token"]
        await stage.call("POST", "sys/rotate", token=stage.root_token)
        assert await good(stage, token)
        assert not await good(other, token)


async def test_records_name_it_by_its_hash() -> None:
    async with Stage() as stage:
        await with_policy(stage)
        token = (await new(stage))["client_token"]
        stage.start()
        await stage.call("GET", NOTE, token=token)
        [record] = stage.records("request", NOTE)
        assert record["auth"]["token_type"] == "batch"
        assert record["auth"]["client_token"].startswith("hmac-sha256:")
        assert token.encode() not in b"".join(stage.recorder.lines)
