"""Admit, act, record, answer: what happens when a step fails or the ground moves between two."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

import pytest
from tests.unit.core.stage import SECRET, Stage

from custody.barrier.meta import MetaRow, meta_key
from custody.base.store import Table
from custody.core import outbox
from custody.core.jobs.recording import Recording
from custody.core.outbox import RECORD_WITHIN_NS
from custody.engines.kv.v2.records import METADATA_KEY

NOTES = 'path "probe/*" { capabilities = ["create", "read", "update", "delete"] }'
PATH = "probe/note/a"


async def settle(stage: Stage) -> None:
    """Let the steward's job look, wait and settle."""
    job = Recording(stage.barrier, stage.broker, stage.clock, stage.counters)
    await job.run()
    stage.clock.advance(outbox.RECOVER_AFTER_NS / 1e9)
    while stage.rows(Table.OUTBOX):
        await job.run()


def refuse_responses(stage: Stage, path: str) -> None:
    stage.recorder.refuses = lambda record: (
        record["type"] == "response" and record["request"]["path"] == path
    )


async def test_large_records_are_made_in_a_turn_of_the_event_loop_each() -> None:
    for more, together in ((1, True), (990, False)):
        async with Stage() as stage:
            stage.start()
            body = {"text": SECRET, "more": ["a"] * more}
            asked = [stage.call("POST", PATH, token=stage.root_token, body=body) for _ in range(9)]
            answers = await asyncio.gather(*asked)
            assert {answer.status for answer in answers} == {204}
            recorded = {count for _, _, count in stage.probe.calls}
            assert (len(recorded) == 1) is together


async def test_a_read_whose_response_is_not_recorded_discloses_nothing() -> None:
    async with Stage() as stage:
        await stage.note("a")
        refuse_responses(stage, PATH)
        answer = await stage.call("GET", PATH, token=stage.root_token)
        assert answer.status == 500
        assert SECRET.encode() not in answer.body


async def test_a_write_whose_response_is_not_recorded_says_so_and_is_recorded_once_later() -> None:
    async with Stage() as stage:
        stage.start()
        refuse_responses(stage, PATH)
        answer = await stage.call("POST", PATH, token=stage.root_token, body={"text": SECRET})
        assert (answer.status, answer.errors) == (500, ["committed but not recorded"])
        assert len(stage.rows(Table.OUTBOX)) == 1
        stage.recorder.refuses = lambda _record: False
        await settle(stage)
        [record] = stage.records("response", PATH)
        [asked] = stage.records("request", PATH)
        told = record["custody"]
        assert told == {"event_id": asked["request"]["id"], "recovered": True}
        assert record["request"]["operation"] == "create"
        assert record["auth"]["display_name"] == "root"
        assert record["auth"]["accessor"] == asked["auth"]["accessor"]
        assert SECRET.encode() not in b"".join(stage.recorder.lines)
        assert stage.counters.values["outbox_replayed"] == 1
        assert await stage.noted("a") == SECRET


async def test_a_recorded_write_leaves_no_row_behind_and_says_which_commit_it_was() -> None:
    async with Stage() as stage:
        stage.start()
        await stage.note("a")
        assert stage.rows(Table.OUTBOX) == []
        [record] = stage.records("response", PATH)
        assert record["custody"]["event_id"] == record["request"]["id"]
        assert "recovered" not in record["custody"]


async def test_a_token_that_could_not_be_recorded_is_revoked() -> None:
    async with Stage() as stage:
        tokens = stage.rows(Table.TOKEN)
        refuse_responses(stage, "auth/token/create")
        answer = await stage.call("POST", "auth/token/create", token=stage.root_token)
        assert (answer.status, answer.errors) == (500, ["committed but not recorded"])
        assert stage.rows(Table.TOKEN) == tokens


async def test_a_stalled_process_leaves_the_record_to_the_steward() -> None:
    async with Stage() as stage:
        stage.start()

        async def stall() -> None:
            stage.clock.advance(RECORD_WITHIN_NS / 1e9 + 1)

        await stage.expect(204, "POST", "probe/twice/a", token=stage.root_token)
        act_path = "probe/stalled/a"
        stage.probe.before_end = stall
        answer = await stage.call("POST", act_path, token=stage.root_token)
        assert (answer.status, answer.errors) == (500, ["committed but not recorded"])
        assert stage.records("response", act_path) == []
        await settle(stage)
        assert len(stage.records("response", act_path)) == 1


async def test_two_commits_of_one_action_have_one_record() -> None:
    async with Stage() as stage:
        stage.start()
        await stage.expect(204, "POST", "probe/twice/a", token=stage.root_token)
        assert len(stage.records("response", "probe/twice/a")) == 1
        assert stage.rows(Table.OUTBOX) == []


async def tighten(stage: Stage, token: str) -> None:
    body = {"policy": 'path "probe/none" { capabilities = ["read"] }'}
    lookup = await stage.expect(200, "GET", "auth/token/lookup-self", token=token)
    name = next(name for name in lookup.data["policies"] if name != "default")
    path = f"sys/policies/acl/{name}"
    answer = await stage.call("POST", path, token=stage.root_token, body=body)
    assert answer.status in {200, 204}


async def revoke(stage: Stage, token: str) -> None:
    body = {"token": token}
    await stage.expect(204, "POST", "auth/token/revoke", token=stage.root_token, body=body)


async def disable(stage: Stage, token: str) -> None:
    del token
    await stage.expect(204, "DELETE", "sys/mounts/probe", token=stage.root_token)


Change = Callable[[Stage, str], Awaitable[None]]


@pytest.mark.parametrize("change", [tighten, revoke, disable])
@pytest.mark.parametrize("uses", [0, 3])
@pytest.mark.parametrize("method", ["POST", "DELETE", "GET"])
async def test_what_changes_between_decision_and_act_governs_the_act(
    change: Change, uses: int, method: str
) -> None:
    async with Stage() as stage:
        await stage.note("a")
        token = await stage.token(NOTES, num_uses=uses)
        # A read with an unlimited token is decided and run in one snapshot: nothing comes between,
        # and a change made while it is recorded comes after it.
        at_once = method == "GET" and not uses
        stage.start()

        async def act() -> None:
            await change(stage, token)

        stage.broker.upon(PATH, act)
        body = {"text": "changed"} if method == "POST" else None
        answer = await stage.call(method, PATH, token=token, body=body)
        if at_once:
            assert answer.data == {"text": SECRET}
            return
        assert answer.status in {403, 404}
        assert SECRET.encode() not in answer.body
        assert [op for op, path, _ in stage.probe.calls if path == "note/a"] == []


async def test_what_an_admitted_write_prefetches_is_no_part_of_its_decision() -> None:
    async with Stage() as stage:
        await stage.note("a", "first")
        token = await stage.token(NOTES)
        stage.broker.upon(PATH, lambda: stage.note("a", "second"))
        stage.start()
        await stage.expect(204, "POST", PATH, token=token, body={"text": "third"})
        assert stage.probe.prefetched == [b"first"]
        assert [op for op, path, _ in stage.probe.calls if path == "note/a"] == ["write"] * 2
        assert len(stage.records("request", PATH)) == 2
        assert await stage.noted("a") == "third"


@pytest.mark.parametrize("method", ["POST", "PATCH"])
async def test_damage_that_is_met_in_prefetching_is_what_became_of_an_admitted_write(
    method: str,
) -> None:
    async with Stage() as stage:
        root, body = stage.root_token, {"data": {"n": 1}}
        await stage.expect(200, "POST", "secret/data/a", token=root, body=body)
        stage.restart()
        stage.start()
        metadata = 1 + 8 + METADATA_KEY  # bytes: table, mount, key
        stage.store.load(
            (place, row[:-1] + bytes([row[-1] ^ 1]) if is_metadata else row)
            for place, row in stage.store.dump()
            for is_metadata in [place[:1] + place[9:10] == b"@M" and len(place) == metadata]
        )
        answer = await stage.call(method, "secret/data/a", token=root, body=body)
        assert answer.status == 500
        found = [(record["type"], record.get("error")) for record in stage.recorder.records]
        assert found == [("request", None), ("response", answer.errors[0])]


async def test_nothing_is_prefetched_for_a_write_that_is_denied() -> None:
    async with Stage() as stage:
        await stage.note("a")
        stage.probe.prefetched.clear()
        token = await stage.token('path "probe/note/a" { capabilities = ["read"] }')
        await stage.expect(403, "POST", PATH, token=token, body={"text": "x"})
        assert stage.probe.prefetched == []


@pytest.mark.parametrize("writes", [0, 3])
async def test_a_secret_is_written_to_as_it_is_when_the_write_commits(writes: int) -> None:
    """What was found for the decision is not what is there: it was removed, and made again."""
    path, root = "secret/data/a", {"data": {"n": 1}}
    async with Stage() as stage:
        await stage.expect(200, "POST", path, token=stage.root_token, body=root)
        rules = 'path "secret/*" { capabilities = ["create", "read", "update"] }'
        token = await stage.token(rules)

        async def replace() -> None:
            await stage.expect(204, "DELETE", "secret/metadata/a", token=stage.root_token)
            for _ in range(writes):
                await stage.expect(200, "POST", path, token=stage.root_token, body=root)

        stage.broker.upon(path, replace)
        answer = await stage.expect(200, "POST", path, token=token, body={"data": {"n": 2}})
        assert answer.data["version"] == writes + 1
        shown = await stage.expect(200, "GET", path, token=token)
        assert shown.data["data"] == {"n": 2}


async def test_a_decision_that_keeps_changing_is_given_up() -> None:
    async with Stage() as stage:
        token = await stage.token(NOTES)
        lookup = await stage.expect(200, "GET", "auth/token/lookup-self", token=token)
        name = next(name for name in lookup.data["policies"] if name != "default")

        async def rewrite() -> None:
            stage.broker.upon(PATH, rewrite)
            path = f"sys/policies/acl/{name}"
            await stage.call("POST", path, token=stage.root_token, body={"policy": NOTES})

        stage.broker.upon(PATH, rewrite)
        stage.start()
        answer = await stage.call("POST", PATH, token=token, body={"text": "x"})
        assert answer.status == 503
        assert stage.probe.calls == []
        assert stage.records("response", PATH)[-1]["error"] == answer.errors[0]


async def test_ignored_fields_are_told_only_where_there_is_a_body() -> None:
    async with Stage() as stage:
        body = {"text": "x", "colour": "red"}
        await stage.expect(204, "POST", PATH, token=stage.root_token, body=body)
        await stage.expect(200, "GET", PATH, token=stage.root_token)
        answer = await stage.expect(200, "GET", f"{PATH}?colour=red", token=stage.root_token)
        told = "Endpoint ignored these unrecognized parameters: [colour]"
        assert answer.warnings == [told]


def damage(stage: Stage, table: Table) -> None:
    """Turn a bit in every row of a table."""
    stage.store.load(
        (place, value[:-1] + bytes([value[-1] ^ 1]) if place[0] == table else value)
        for place, value in stage.store.dump()
    )


@pytest.mark.parametrize("table", [Table.ENGINE, Table.MOUNT, Table.TOKEN, Table.AUDIT])
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_damaged_row_is_named_and_recorded_and_its_key_only_logged(
    table: Table, method: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with Stage() as stage:
        await stage.note("a")
        stage.start()
        stage.restart()
        damage(stage, table)
        body = {"text": "x"} if method == "POST" else None
        with caplog.at_level(logging.ERROR):
            answer = await stage.call(method, PATH, token=stage.root_token, body=body)
        text = f"stored data failed authentication: table {table.name}; run custody operator verify"
        assert (answer.status, answer.errors) == (500, [text])
        assert stage.counters.values["tampered_rows"] >= 1
        assert stage.recorder.records[-1]["error"] == text
        assert stage.recorder.records[-1]["type"] == "response"
        damaged = [key.hex() for key in stage.rows(table)]
        assert any(key in caplog.text for key in damaged)
        assert not any(key.encode() in answer.body for key in damaged)


async def test_a_record_that_is_none_is_named_too() -> None:
    async with Stage() as stage:
        token = await stage.token(NOTES)
        await stage.barrier.write(
            lambda txn: txn.put(Table.MOUNT, b"probe/", b"\xc1 this is no record")
        )
        answer = await stage.call("GET", PATH, token=token)
        assert answer.status == 500
        assert answer.errors == ["a stored record cannot be read; run custody operator verify"]


async def test_a_row_of_a_newer_term_is_opened_with_the_newest_keyring() -> None:
    async with Stage() as stage:
        await stage.note("old")
        keyring = stage.barrier.keyring
        await stage.expect(204, "POST", "sys/rotate", token=stage.root_token)
        await stage.note("a")
        stage.barrier.drop()
        stage.barrier.install(keyring)  # as a process that did not hear of the rotation
        assert await stage.noted("a") == SECRET
        assert await stage.noted("old") == SECRET


def of_a_term_to_come(stage: Stage) -> None:
    """Turn what engines have stored into rows of a term that nobody knows."""
    far = (1 << 30).to_bytes(4, "big")
    stage.store.load(
        (place, row[:9] + far + row[13:] if place[0] == Table.ENGINE else row)
        for place, row in stage.store.dump()
    )


async def test_a_term_that_nobody_knows_is_damage() -> None:
    async with Stage() as stage:
        await stage.note("a")
        stage.start()
        of_a_term_to_come(stage)
        answer = await stage.call("GET", PATH, token=stage.root_token)
        assert answer.status == 500
        assert answer.errors[0].startswith("stored data failed authentication: table ENGINE")
        assert stage.recorder.records[-1]["error"] == answer.errors[0]


async def test_a_refusal_for_want_of_the_newest_keyring_is_recorded() -> None:
    async with Stage() as stage:
        await stage.note("a")
        stage.start()
        of_a_term_to_come(stage)
        keyring = stage.barrier.keyring
        await stage.custodian.seal()
        stage.barrier.install(keyring)  # as a process that has not heard of it yet
        answer = await stage.call("GET", PATH, token=stage.root_token)
        assert (answer.status, answer.errors) == (503, ["Vault is sealed"])
        assert stage.records("response", PATH)[-1]["error"] == answer.errors[0]


async def test_a_refusal_because_the_newest_keyring_does_not_open_is_recorded() -> None:
    async with Stage() as stage:
        await stage.note("a")
        stage.start()
        of_a_term_to_come(stage)
        keyring = meta_key(MetaRow.KEYRING)
        stage.store.load(
            (place, row[:-1] + bytes([row[-1] ^ 1]) if place == keyring else row)
            for place, row in stage.store.dump()
        )
        answer = await stage.call("GET", PATH, token=stage.root_token)
        assert answer.status == 503
        assert stage.records("response", PATH)[-1]["error"] == answer.errors[0]
