"""Decide and record in one call: what a device must hold before anything happens or is told."""

import asyncio
import logging

import pytest
from tests.unit.core.stage import SECRET, Stage

from custody.base.store import Table

NOTES = 'path "probe/note/*" { capabilities = ["create", "read", "update", "delete"] }'
DENIED = ["1 error occurred:\n\t* permission denied\n\n"]


async def test_a_write_runs_only_after_a_device_has_its_request() -> None:
    async with Stage() as stage:
        stage.start()
        await stage.note("a")
        assert stage.probe.calls == [("write", "note/a", 1)]
        assert [record["type"] for record in stage.recorder.records] == ["request", "response"]


async def test_a_read_leaves_a_request_and_a_response() -> None:
    async with Stage() as stage:
        await stage.note("a")
        stage.start()
        assert await stage.noted("a") == SECRET
        assert [record["type"] for record in stage.recorder.records] == ["request", "response"]
        assert SECRET.encode() not in b"".join(stage.recorder.lines)


async def test_a_denied_request_leaves_two_records_and_nothing_else() -> None:
    async with Stage() as stage:
        token = await stage.token('path "probe/other" { capabilities = ["read"] }')
        stage.start()
        before = stage.store.dump()
        for method, body in (("GET", None), ("POST", {"text": "x"}), ("DELETE", None)):
            answer = await stage.call(method, "probe/note/a", token=token, body=body)
            assert (answer.status, answer.errors) == (403, DENIED)
        assert stage.probe.calls == []
        assert stage.store.dump() == before
        kinds = [record["type"] for record in stage.recorder.records]
        assert kinds == ["request", "response"] * 3
        assert all("permission denied" in record["error"] for record in stage.recorder.records)
        assert stage.counters.values["policy_denied"] == 3


async def test_a_denial_names_rule_and_near_misses_to_the_audit_alone() -> None:
    async with Stage() as stage:
        policy = 'path "secret/data/app" {\n capabilities = ["read"]\n}'
        token = await stage.token(policy)
        stage.start()
        answer = await stage.call("GET", "secret/app", token=token)
        assert answer.errors == DENIED
        told = stage.recorder.records[0]["custody"]
        assert told["reason"] == "no_rule"
        misses = [(miss["path"], miss["line"], miss["reason"]) for miss in told["near_misses"]]
        assert misses == [("secret/data/app", 1, "kv_segment")]


async def test_near_misses_are_few() -> None:
    async with Stage() as stage:
        policy = "".join(
            f'path "probe/note/{letter}" {{ capabilities = ["read"] }}\n' for letter in "bcdefgh"
        )
        token = await stage.token(policy)
        stage.start()
        await stage.call("GET", "probe/note/a", token=token)
        assert 0 < len(stage.recorder.records[0]["custody"]["near_misses"]) <= 3


async def test_an_allowed_request_carries_no_near_misses() -> None:
    async with Stage() as stage:
        token = await stage.token(NOTES)
        stage.start()
        await stage.call("GET", "probe/note/a", token=token)
        assert "near_misses" not in stage.recorder.records[0]["custody"]


@pytest.mark.parametrize("token", ["", "x", "s.unknown", "s." + "a" * 2000, "é"])
async def test_without_a_valid_token_nothing_is_told_of_a_path(token: str) -> None:
    async with Stage() as stage:
        for path in ("probe/note/a", "nowhere/at/all", "sys/mounts", "sys/no-such-path"):
            answer = await stage.call("GET", path, token=token)
            assert (answer.status, answer.errors) == (403, ["permission denied"]), path


async def test_without_a_device_for_the_request_a_write_does_not_happen() -> None:
    async with Stage() as stage:
        stage.start()
        before = stage.store.dump()
        stage.recorder.broken = True
        answer = await stage.call(
            "POST", "probe/note/a", token=stage.root_token, body={"text": "x"}
        )
        assert answer.status == 500
        assert stage.probe.calls == []
        assert stage.store.dump() == before


async def test_without_a_device_a_denial_is_an_error_too() -> None:
    async with Stage() as stage:
        token = await stage.token()
        stage.recorder.broken = True
        answer = await stage.call("GET", "probe/note/a", token=token)
        assert answer.status == 500


async def test_without_the_table_of_devices_nothing_is_answered() -> None:
    async with Stage() as stage:
        await stage.note("a")
        stage.store.load([row for row in stage.store.dump() if row[0][0] != Table.AUDIT])
        stage.start()
        stage.restart()
        answer = await stage.call("GET", "probe/note/a", token=stage.root_token)
        assert answer.status == 500
        assert SECRET.encode() not in answer.body
        assert stage.probe.calls == []


async def test_create_and_update_are_told_apart() -> None:
    async with Stage() as stage:
        path = 'path "probe/note/*" { capabilities = ["%s"] }'
        creator, updater = await stage.token(path % "create"), await stage.token(path % "update")
        body = {"text": "x"}
        await stage.expect(403, "POST", "probe/note/a", token=updater, body=body)
        await stage.expect(204, "POST", "probe/note/a", token=creator, body=body)
        await stage.expect(403, "POST", "probe/note/a", token=creator, body=body)
        await stage.expect(204, "POST", "probe/note/a", token=updater, body=body)
        operations = [
            (record["request"]["operation"], "error" in record)
            for record in stage.records("request", "probe/note/a")
        ]
        assert operations == [
            ("create", True),
            ("create", False),
            ("update", True),
            ("update", False),
        ]


async def test_a_root_protected_path_wants_sudo_beside_the_capability() -> None:
    async with Stage() as stage:
        plain = await stage.token('path "sys/audit" { capabilities = ["read"] }')
        strong = await stage.token('path "sys/audit" { capabilities = ["read", "sudo"] }')
        await stage.expect(403, "GET", "sys/audit", token=plain)
        await stage.expect(200, "GET", "sys/audit", token=strong)


async def test_every_answer_and_record_carries_one_fresh_request_id() -> None:
    async with Stage() as stage:
        await stage.note("a")
        stage.start()
        answers = [
            await stage.call("GET", "probe/note/a", token=stage.root_token, headers=headers)
            for headers in ((), (("X-Request-Id", "mine"), ("X-Correlation-Id", "mine")))
        ]
        told = [answer.json["request_id"] for answer in answers]
        recorded = [record["request"]["id"] for record in stage.recorder.records]
        assert recorded == [told[0], told[0], told[1], told[1]]
        assert len(set(told)) == 2
        assert "mine" not in told


async def test_turning_the_clock_back_revives_no_token() -> None:
    async with Stage() as stage:
        token = await stage.token(NOTES, ttl="1h")
        await stage.expect(200, "GET", "probe/note/a", token=token)
        stage.clock.advance(3601)
        await stage.expect(403, "GET", "probe/note/a", token=token)
        await stage.note("later")  # the log now knows the time
        stage.clock.advance(-7200)
        await stage.expect(403, "GET", "probe/note/a", token=token)
        times = [record["time"] for record in stage.recorder.records]
        assert times == sorted(times)


async def test_time_is_written_from_the_floor_of_the_log() -> None:
    async with Stage() as stage:
        stage.clock.advance(3600)
        await stage.note("later")
        stage.clock.advance(-7200)
        await stage.expect(
            200, "POST", "secret/data/a", token=stage.root_token, body={"data": {"a": 1}}
        )
        answer = await stage.expect(200, "GET", "secret/data/a", token=stage.root_token)
        assert answer.data["metadata"]["created_time"] == "2023-11-14T23:13:20.000000000Z"


@pytest.mark.parametrize("uses", [1, 2, 3])
async def test_a_limited_token_is_good_for_so_many_requests_at_once(uses: int) -> None:
    async with Stage() as stage:
        await stage.note("a")
        token = await stage.token(NOTES, num_uses=uses)
        calls = (stage.call("GET", "probe/note/a", token=token) for _ in range(6))
        statuses = sorted(answer.status for answer in await asyncio.gather(*calls))
        assert statuses == [200] * uses + [403] * (6 - uses)


async def test_a_denied_request_consumes_a_use() -> None:
    async with Stage() as stage:
        token = await stage.token(NOTES, num_uses=2)
        await stage.expect(403, "GET", "sys/mounts", token=token)
        await stage.expect(200, "GET", "probe/note/a", token=token)
        await stage.expect(403, "GET", "probe/note/a", token=token)


async def test_the_last_use_shows_minus_one_and_ends_the_token() -> None:
    async with Stage() as stage:
        token = await stage.token(num_uses=2)
        first = await stage.expect(200, "GET", "auth/token/lookup-self", token=token)
        last = await stage.expect(200, "GET", "auth/token/lookup-self", token=token)
        assert (first.data["num_uses"], last.data["num_uses"]) == (1, -1)
        body = {"accessor": first.data["accessor"]}
        root = stage.root_token
        await stage.expect(403, "GET", "auth/token/lookup-self", token=token)
        answer = await stage.call("POST", "auth/token/lookup-accessor", token=root, body=body)
        assert answer.status in {400, 403, 404}


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
async def test_any_kind_of_request_takes_exactly_one_use(method: str) -> None:
    async with Stage() as stage:
        await stage.note("a")
        token = await stage.token(NOTES, num_uses=3)
        body = {"text": "x"} if method == "POST" else None
        calls = (stage.call(method, "probe/note/a", token=token, body=body) for _ in range(5))
        statuses = sorted(answer.status for answer in await asyncio.gather(*calls))
        assert statuses[:3] == [200 if method == "GET" else 204] * 3
        assert statuses[3:] == [403] * 2


async def test_a_request_that_fails_in_its_engine_takes_a_use() -> None:
    async with Stage() as stage:
        policy = 'path "secret/*" { capabilities = ["create", "read", "update"] }'
        token = await stage.token(policy, num_uses=2)
        await stage.expect(404, "GET", "secret/data/none", token=token)
        body = {"data": {}, "options": {"cas": 7}}
        await stage.expect(400, "POST", "secret/data/none", token=token, body=body)
        await stage.expect(403, "GET", "secret/data/none", token=token)


async def test_an_action_with_several_commits_takes_one_use() -> None:
    async with Stage() as stage:
        policy = 'path "probe/twice/*" { capabilities = ["update"] }'
        token = await stage.token(policy, num_uses=2)
        await stage.expect(204, "POST", "probe/twice/a", token=token)
        await stage.expect(204, "POST", "probe/twice/a", token=token)
        await stage.expect(403, "POST", "probe/twice/a", token=token)


async def test_no_secret_is_in_a_repr_or_a_log(caplog: pytest.LogCaptureFixture) -> None:
    async with Stage() as stage:
        with caplog.at_level(logging.DEBUG):
            await stage.note("a")
            await stage.noted("a")
            stage.recorder.broken = True
            await stage.call("GET", "probe/note/a", token=stage.root_token)
        for secret in (SECRET, stage.root_token):
            assert secret not in caplog.text
            assert secret not in repr(stage.node.parts)
