"""The intake of leaked tokens: what has a token's form is revoked, and nobody learns which was."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.core.stage import Stage

from custody.base.ids import SystemSource
from custody.system.leaked import MAX_BODY, MAX_TOKENS, tokens_in
from custody.testing.server import AUDIT_PATH, MemoryServer, Response
from custody.token import format as formats

PATH = "sys/leaked-tokens"


async def hand_in(server: MemoryServer, *texts: str, **more: Any) -> Response:
    return await server.call("POST", PATH, body={"texts": texts}, **more)


async def good(server: MemoryServer, token: str) -> bool:
    return (await server.call("GET", "auth/token/lookup-self", token=token)).status == 200


async def test_a_leaked_token_and_all_below_it_end_at_once() -> None:
    async with Stage() as stage:
        made = 'path "auth/token/create" { capabilities = ["update"] }'
        leaked, other = await stage.token(made), await stage.token(made)
        below = await stage.expect(200, "POST", "auth/token/create", token=leaked, body={})
        child = below.json["auth"]["client_token"]
        stage.start()
        answer = await hand_in(stage, f'export VAULT_TOKEN="{leaked}"; curl …', "nothing here")
        assert (answer.status, answer.data) == (200, {"found": 1, "batch": 0})
        assert not await good(stage, leaked)
        assert not await good(stage, child)
        assert await good(stage, other)


async def test_the_answer_is_the_same_whether_a_token_was_good_or_not() -> None:
    async with Stage() as stage:
        real, made_up = await stage.token(), formats.new_id(SystemSource())
        spent = await stage.token()
        await stage.expect(204, "POST", "auth/token/revoke-self", token=spent)
        answers = [await hand_in(stage, text) for text in (real, made_up, spent, real)]
        told = [(one.status, one.json | {"request_id": ""}) for one in answers]
        assert told == [told[0]] * 4
        assert not await good(stage, real)


async def test_the_record_names_what_was_revoked_and_no_token() -> None:
    async with Stage() as stage:
        leaked, made_up = await stage.token(), formats.new_id(SystemSource())
        shown = await stage.expect(200, "GET", "auth/token/lookup-self", token=leaked)
        stage.start()
        await hand_in(stage, leaked, made_up)
        [record] = stage.records("response", PATH)
        [accessor] = record["response"]["data"]["revoked_accessors"]
        path, body = f"sys/audit-hash/{AUDIT_PATH}", {"input": shown.data["accessor"]}
        asked = await stage.expect(200, "POST", path, token=stage.root_token, body=body)
        assert accessor == asked.data["hash"]
        assert record["custody"]["event_id"]
        assert leaked.encode() not in b"".join(stage.recorder.lines)


async def test_a_root_token_is_no_exception_and_a_chosen_id_is_no_token() -> None:
    async with Stage() as stage:
        body = {"id": "chosen", "policies": ["default"]}
        path = "auth/token/create"
        await stage.expect(200, "POST", path, token=stage.root_token, body=body)
        answer = await hand_in(stage, "chosen")
        assert answer.data == {"found": 0, "batch": 0}
        assert await good(stage, "chosen")
        await hand_in(stage, f"root: {stage.root_token}")
        assert not await good(stage, stage.root_token)


async def test_what_a_wrapping_token_holds_goes_with_it() -> None:
    async with Stage() as stage:
        headers = (("X-Vault-Wrap-TTL", "60"),)
        token = stage.root_token
        made = await stage.expect(200, "GET", "probe/note/a", token=token, headers=headers)
        wrapping = made.json["wrap_info"]["token"]
        await hand_in(stage, wrapping)
        answer = await stage.call("POST", "sys/wrapping/unwrap", token=wrapping, body={})
        assert answer.status == 400


async def test_batch_tokens_are_found_and_their_bearer_told_that_they_stay() -> None:
    async with Stage() as stage:
        body = {"type": "batch", "policies": ["default"]}
        path = "auth/token/create"
        made = await stage.expect(200, "POST", path, token=stage.root_token, body=body)
        batch = made.json["auth"]["client_token"]
        answer = await hand_in(stage, batch)
        assert answer.data == {"found": 1, "batch": 1}
        assert answer.warnings == [
            "Batch tokens cannot be revoked: revoke the tokens that they were made with."
        ]
        assert await good(stage, batch)


@pytest.mark.parametrize("body", [{}, {"texts": None}, {"texts": []}, {"text": "a token"}])
async def test_who_hands_in_nothing_is_told_so(body: dict[str, Any]) -> None:
    async with Stage() as stage:
        answer = await stage.call("POST", PATH, body=body)
        assert (answer.status, answer.errors) == (
            400,
            ["texts is missing: hand in the texts in which tokens stand"],
        )


async def test_no_more_tokens_than_one_transaction_bears() -> None:
    async with Stage() as stage:
        many = [formats.new_id(SystemSource()) for _ in range(MAX_TOKENS + 1)]
        answer = await hand_in(stage, " ".join(many))
        assert answer.status == 400
        assert answer.errors == ["texts hold more than 100 tokens: hand them in piece by piece"]
        assert (await hand_in(stage, *many[1:])).data["found"] == MAX_TOKENS


@pytest.mark.parametrize(
    "around",
    [
        "{}",
        '"{}"',
        "token={}&x=1",
        "<{}>",
        "a.{}.",
        "{}\n{}",
        "Bearer {},",
        "é{}é",
        "\\n{}\\n",
        "%20{}_x",
        "x{}y",
    ],
)
def test_a_token_is_found_in_whatever_stands_around_it(around: str) -> None:
    token = formats.new_id(SystemSource())
    assert tokens_in(around.replace("{}", token)) == [token]


@given(st.text(max_size=60), st.text(max_size=60))
def test_nothing_else_is_taken_for_a_token(before: str, after: str) -> None:
    token = formats.new_id(SystemSource())
    assert set(tokens_in(f"{before} {token} {after}")) == {token}
    assert tokens_in(f"{before}{token[:-1]}") == []


@pytest.mark.parametrize("before", ["cub.", "cub.A-", f"{formats.SERVICE}cub.x"])
def test_what_seems_to_be_a_token_hides_none_that_begins_within_it(before: str) -> None:
    token = formats.new_id(SystemSource())
    assert tokens_in(f"{before}{token}") == [token]


async def test_anybodys_text_is_looked_through_up_to_a_length_that_holds_no_writer_up() -> None:
    async with Stage() as stage:
        token = await stage.token()
        stage.start()
        filling = f"{formats.SERVICE}{'A' * 30} " * (MAX_BODY // 35)
        answer = await hand_in(stage, filling, token)
        assert answer.status == 413
        assert await good(stage, token)
        answer = await hand_in(stage, filling[: MAX_BODY // 2], token)
        assert (answer.status, answer.data["found"]) == (200, 1)
