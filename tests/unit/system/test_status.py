"""What answers without a token: health, seal status, init, unseal, leader."""

import base64
from typing import Any

import pytest

from custody.testing.server import MemoryServer

CANNOT_UNSEAL = (
    "unable to retrieve stored keys: invalid key: failed to decrypt keys from storage: "
    "cipher: message authentication failed"
)


async def initialised(shares: int = 3, threshold: int = 2) -> MemoryServer:
    server = MemoryServer()
    await server.initialise(shares, threshold)
    return server


async def test_health_tells_each_state_by_its_code() -> None:
    server = MemoryServer()
    fresh = await server.expect(501, "GET", "sys/health")
    assert (fresh.json["initialized"], fresh.json["sealed"], fresh.json["standby"]) == (
        False, True, True,
    )  # fmt: skip
    await server.initialise()
    sealed = await server.expect(503, "GET", "sys/health")
    assert (sealed.json["initialized"], sealed.json["sealed"]) == (True, True)
    assert sealed.json["replication_dr_mode"] == "unknown"
    assert "cluster_name" not in sealed.json
    await server.unseal()
    active = (await server.expect(200, "GET", "sys/health")).json
    assert (active["sealed"], active["standby"]) == (False, False)
    assert active["cluster_name"] == "memory"
    assert active["server_time_utc"] == server.clock.now_ns() // 10**9


@pytest.mark.parametrize(
    ("query", "statuses"),
    [("uninitcode=299", (299, 503, 200)), ("sealedcode=298", (501, 298, 200)),
     ("activecode=297", (501, 503, 297)), ("standbyok=true", (501, 503, 200))],
)  # fmt: skip
async def test_healths_codes_can_be_chosen(query: str, statuses: tuple[int, int, int]) -> None:
    server = MemoryServer()
    await server.expect(statuses[0], "GET", f"sys/health?{query}")
    await server.initialise()
    await server.expect(statuses[1], "GET", f"sys/health?{query}")
    await server.unseal()
    await server.expect(statuses[2], "GET", f"sys/health?{query}")


async def test_head_of_health_has_the_code_and_no_body() -> None:
    async with MemoryServer() as server:
        assert (await server.expect(200, "HEAD", "sys/health")).body == b""


async def test_health_and_status_leave_no_record() -> None:
    async with MemoryServer() as server:
        server.recorder.lines.clear()
        for path in ("sys/health", "sys/seal-status", "sys/init", "sys/leader"):
            await server.expect(200, "GET", path)
        assert server.recorder.lines == []


async def test_seal_status_has_every_field_in_every_state() -> None:
    server = MemoryServer()
    fields = {"type", "initialized", "sealed", "t", "n", "progress", "nonce", "version",
              "build_date", "commit_date", "migration", "recovery_seal",
              "storage_type"}  # fmt: skip
    fresh = (await server.expect(200, "GET", "sys/seal-status")).json
    assert fields <= fresh.keys()
    assert (fresh["initialized"], fresh["t"], fresh["n"]) == (False, 0, 0)
    await server.initialise(3, 2)
    sealed = (await server.expect(200, "GET", "sys/seal-status")).json
    assert (sealed["type"], sealed["sealed"], sealed["t"], sealed["n"]) == ("shamir", True, 2, 3)
    assert "cluster_id" not in sealed
    await server.unseal()
    assert (
        fields | {"cluster_name", "cluster_id"}
        <= (await server.expect(200, "GET", "sys/seal-status")).json.keys()
    )


async def test_leader_without_high_availability() -> None:
    async with MemoryServer() as server:
        assert (await server.expect(200, "GET", "sys/leader")).json == {"ha_enabled": False}
        await server.seal()
        assert (await server.expect(200, "GET", "sys/leader")).json["is_self"] is False


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({"secret_shares": 2, "secret_threshold": 3},
         "invalid seal configuration: threshold cannot be larger than shares"),
        ({"secret_shares": 3, "secret_threshold": 1},
         "invalid seal configuration: threshold must be greater than one for multiple shares"),
        ({"secret_shares": 1, "secret_threshold": 1, "recovery_shares": 1},
         "parameters recovery_shares,recovery_threshold not applicable to seal type shamir"),
    ],
)  # fmt: skip
async def test_init_refuses_what_is_no_split(body: dict[str, int], text: str) -> None:
    server = MemoryServer()
    answer = await server.expect(400, "PUT", "sys/init", body=body)
    assert answer.errors == [text]
    assert (await server.expect(200, "GET", "sys/init")).json == {"initialized": False}


async def test_init_answers_shares_in_hex_and_base64_and_only_once() -> None:
    server = MemoryServer()
    body = {"secret_shares": 3, "secret_threshold": 2}
    made = (await server.expect(200, "PUT", "sys/init", body=body)).json
    assert [base64.b64decode(key).hex() for key in made["keys_base64"]] == made["keys"]
    assert {len(key) for key in made["keys"]} == {66}  # 32 bytes and the share's coordinate
    answer = await server.expect(400, "PUT", "sys/init", body=body)
    assert answer.errors == ["Vault is already initialized"]


async def test_a_split_of_one_is_the_bare_key() -> None:
    server = await initialised(1, 1)
    assert len(server.shares[0]) == 64


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({}, "'key' must be specified in request body as JSON, or 'reset' set to true"),
        ({"key": "no share!"}, "'key' must be a valid hex or base64 string"),
        ({"key": "aabb"}, "invalid key: key is shorter than minimum 16 bytes"),
    ],
)  # fmt: skip
async def test_unseal_refuses_what_is_no_share(body: dict[str, Any], text: str) -> None:
    server = await initialised()
    assert (await server.expect(400, "PUT", "sys/unseal", body=body)).errors == [text]


async def test_the_same_share_again_is_no_progress_and_reset_begins_anew() -> None:
    server = await initialised()
    for _ in range(2):
        status = (
            await server.expect(200, "PUT", "sys/unseal", body={"key": server.shares[0]})
        ).json
        assert (status["progress"], status["sealed"]) == (1, True)
        assert status["nonce"]
    status = (await server.expect(200, "PUT", "sys/unseal", body={"reset": True})).json
    assert (status["progress"], status["nonce"]) == (0, "")


async def test_a_wrong_set_of_shares_resets_the_progress() -> None:
    server = await initialised()
    wrong = bytes.fromhex(server.shares[1])
    wrong = bytes([wrong[0] ^ 1]) + wrong[1:]
    await server.expect(200, "PUT", "sys/unseal", body={"key": server.shares[0]})
    answer = await server.expect(400, "PUT", "sys/unseal", body={"key": wrong.hex()})
    assert answer.errors == [CANNOT_UNSEAL]
    assert (await server.expect(200, "GET", "sys/seal-status")).json["progress"] == 0
    await server.unseal()
    await server.expect(200, "GET", "sys/health")


async def test_base64_shares_unseal_too() -> None:
    server = await initialised()
    for share in server.shares[:2]:
        key = base64.b64encode(bytes.fromhex(share)).decode()
        await server.expect(200, "POST", "sys/unseal", body={"key": key})
    await server.expect(200, "GET", "sys/health")


async def test_unsealing_an_open_node_is_its_status_and_reset_a_mistake() -> None:
    async with MemoryServer() as server:
        status = await server.expect(200, "PUT", "sys/unseal", body={"key": server.shares[0]})
        assert status.json["sealed"] is False
        answer = await server.expect(400, "PUT", "sys/unseal", body={"reset": True})
        assert answer.errors == ["vault is unsealed"]


async def test_sealed_everything_else_is_503() -> None:
    async with MemoryServer() as server:
        await server.seal()
        for path in ("secret/data/a", "sys/mounts", "auth/token/lookup-self", "no/such/path"):
            answer = await server.expect(503, "GET", path, token=server.root_token)
            assert answer.errors == ["Vault is sealed"]
        await server.expect(204, "PUT", "sys/seal", token="whatever")


async def test_what_was_written_is_there_after_seal_and_unseal() -> None:
    async with MemoryServer() as server:
        root = server.root_token
        await server.expect(200, "POST", "secret/data/a", token=root, body={"data": {"a": 1}})
        await server.seal()
        await server.unseal()
        answer = await server.expect(200, "GET", "secret/data/a", token=root)
        assert answer.data["data"] == {"a": 1}
