"""Seal, key status, rotation and its configuration, metrics, verify."""

import re

import pytest

from custody.barrier.counter import count_key
from custody.base.clock import NANOSECOND
from custody.base.store import Table
from custody.core.verification import PARTS
from custody.storage.memory import MemoryStore
from custody.testing.server import MemoryServer


async def test_seal_wants_sudo() -> None:
    async with MemoryServer() as server:
        update = await server.token('path "sys/seal" { capabilities = ["update"] }')
        await server.expect(403, "PUT", "sys/seal", token=update)
        sudo = await server.token('path "sys/seal" { capabilities = ["update", "sudo"] }')
        await server.expect(204, "PUT", "sys/seal", token=sudo)
        await server.expect(503, "GET", "sys/health")


@pytest.mark.parametrize("path", ["sys/rotate", "sys/rotate/keyring"])
async def test_rotation_makes_a_new_term_and_loses_nothing(path: str) -> None:
    async with MemoryServer() as server:
        root = server.root_token
        await server.expect(200, "POST", "secret/data/a", token=root, body={"data": {"a": 1}})
        before = (await server.expect(200, "GET", "sys/key-status", token=root)).json
        assert (before["term"], before["data"]["term"]) == (1, 1)
        assert before["encryptions"] > 0
        await server.expect(204, "POST", path, token=root)
        after = (await server.expect(200, "GET", "sys/key-status", token=root)).data
        assert (after["term"], after["encryptions"]) == (2, 0)
        assert after["install_time"].endswith("Z")
        assert (await server.expect(200, "GET", "secret/data/a", token=root)).data["data"] == {
            "a": 1
        }
        await server.seal()
        await server.unseal()
        assert (await server.expect(200, "GET", "secret/data/a", token=root)).data["data"] == {
            "a": 1
        }


async def test_a_store_with_thousands_of_terms_unseals() -> None:
    store = MemoryStore()
    async with MemoryServer(store=store) as server:
        rows = dict(store.dump())
        some = next(row for key, row in rows.items() if b"encryptions/" in key)
        rows |= {count_key(term): some for term in range(3, 3000)}  # after ours
        store.load(rows.items())
        await server.expect(204, "POST", "sys/rotate", token=server.root_token)
        await server.seal()
        await server.unseal()
        assert server.barrier.keyring.term == 2


async def test_rotation_wants_sudo() -> None:
    async with MemoryServer() as server:
        token = await server.token('path "sys/rotate" { capabilities = ["update"] }')
        await server.expect(403, "POST", "sys/rotate", token=token)
        assert server.barrier.keyring.term == 1


async def test_the_configuration_of_rotation_is_kept() -> None:
    async with MemoryServer() as server:
        root = server.root_token
        path = "sys/rotate/config"
        given = (await server.expect(200, "GET", path, token=root)).data
        assert given == {"enabled": True, "interval": 0, "max_operations": 3_865_470_566}
        body = {"interval": "48h", "max_operations": 1_000_000, "enabled": False}
        await server.expect(204, "POST", path, token=root, body=body)
        kept = (await server.expect(200, "GET", "sys/rotate/keyring/config", token=root)).data
        assert kept == {"enabled": False, "interval": "48h0m0s", "max_operations": 1_000_000}
        await server.expect(204, "POST", path, token=root, body={"enabled": True})
        assert (await server.expect(200, "GET", path, token=root)).data == {**kept, "enabled": True}


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({"interval": "23h59m"}, "interval must be greater or equal to 24h0m0s"),
        ({"max_operations": 999_999},
         "max_operations must be in the range [1000000,3865470566]"),
        ({"max_operations": 3_865_470_567},
         "max_operations must be in the range [1000000,3865470566]"),
    ],
)  # fmt: skip
async def test_the_configuration_of_rotation_has_bounds(body: dict[str, object], text: str) -> None:
    async with MemoryServer() as server:
        answer = await server.expect(
            400, "POST", "sys/rotate/config", token=server.root_token, body=body
        )
        assert answer.errors == [text]


async def test_metrics_in_json() -> None:
    async with MemoryServer() as server:
        root = server.root_token
        found = (await server.expect(200, "GET", "sys/metrics", token=root)).json
        assert found.keys() == {"Timestamp", "Gauges", "Points", "Counters", "Samples"}
        counters = {one["Name"]: one["Count"] for one in found["Counters"]}
        assert counters["custody.requests_2xx"] > 0
        assert counters["custody.tampered_rows"] == 0
        assert re.fullmatch(r"\d{4}(-\d\d){2} \d\d(:\d\d){2} \+0000 UTC", found["Timestamp"])


async def test_a_counter_has_the_sums_of_a_sample() -> None:
    async with MemoryServer() as server:
        server.counters.add("seals", 3)
        server.counters.started_ns = server.clock.boot_ns() - 2 * NANOSECOND
        found = await server.expect(200, "GET", "sys/metrics", token=server.root_token)
        counters = {one.pop("Name"): one for one in found.json["Counters"]}
        assert counters["custody.seals"] == {
            "Count": 3, "Rate": 1.5, "Sum": 3, "Min": 1, "Max": 1, "Mean": 1, "Stddev": 0,
            "Labels": {},
        }  # fmt: skip
        assert counters["custody.unseals"]["Max"] == counters["custody.unseals"]["Sum"]


async def test_metrics_in_prometheus_form() -> None:
    async with MemoryServer() as server:
        answer = await server.expect(
            200, "GET", "sys/metrics?format=prometheus", token=server.root_token
        )
        assert answer.headers["content-type"] == "text/plain; version=0.0.4"
        lines = answer.body.decode().splitlines()
        assert "# TYPE custody_requests_2xx_total counter" in lines
        assert "# TYPE custody_up gauge" in lines
        assert any(line.startswith("# HELP custody_policy_denied_total Requests") for line in lines)
        assert all(line.startswith("#") or line.split()[1].isdigit() for line in lines)


async def test_metrics_want_a_token() -> None:
    async with MemoryServer() as server:
        await server.expect(403, "GET", "sys/metrics")


async def test_verify_says_that_all_is_well() -> None:
    async with MemoryServer() as server:
        root = server.root_token
        none = (await server.expect(200, "GET", "sys/verify", token=root)).data
        assert (none["state"], tuple(none["parts"])) == ("none", PARTS)
        found = (await server.expect(200, "POST", "sys/verify", token=root)).data
        assert (found["found"], found["findings"], found["unfinished"]) == (0, [], [])
        assert found["rows"] > 0


async def test_verify_names_every_damaged_row() -> None:
    store = MemoryStore()
    async with MemoryServer(store=store) as server:
        await server.token()
        keys = [place[1:].hex() for place, _ in store.dump() if place[0] == Table.ACCESSOR]
        store.load(
            (place, value[:-1] + bytes([value[-1] ^ 1]) if place[0] == Table.ACCESSOR else value)
            for place, value in store.dump()
        )
        body = {"parts": ["ACCESSOR", "POLICY"]}
        answer = await server.expect(200, "POST", "sys/verify", token=server.root_token, body=body)
        named = [(one["table"], one["key"]) for one in answer.data["findings"]]
        assert named == [*(("ACCESSOR", key) for key in keys), ("ACCESSOR", "")]
        assert answer.data["found"] == len(keys) + 1


async def test_verify_wants_sudo_and_parts_that_there_are() -> None:
    async with MemoryServer() as server:
        token = await server.token('path "sys/verify" { capabilities = ["read", "update"] }')
        await server.expect(403, "GET", "sys/verify", token=token)
        await server.expect(403, "POST", "sys/verify", token=token)
        body = {"parts": ["NONSENSE"]}
        answer = await server.expect(400, "POST", "sys/verify", token=server.root_token, body=body)
        assert answer.errors == ["unknown parts: NONSENSE"]
