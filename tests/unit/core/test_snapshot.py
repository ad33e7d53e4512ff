"""Saving and restoring: what comes back, what must not, and what is refused."""

import gzip
import hashlib
import io
import tarfile
from collections.abc import Callable

import pytest

from custody.barrier.finding import Finding
from custody.barrier.snapshot import Header, SnapshotWriter, sealing_key
from custody.base.store import Generation, RawRows, Table, Transaction
from custody.core import snapshots
from custody.engines.kv.v2.records import METADATA_KEY
from custody.storage.memory import MemoryStore
from custody.testing.server import MemoryServer

PATH = "sys/storage/snapshot"


async def saved(server: MemoryServer) -> bytes:
    answer = await server.expect(200, "GET", PATH, token=server.root_token)
    assert answer.headers["content-type"] == "application/gzip"
    assert answer.headers["content-disposition"] == 'attachment; filename="custody.snap"'
    return answer.body


async def restore(server: MemoryServer, data: bytes, status: int = 204, path: str = PATH) -> None:
    await server.expect(status, "POST", path, token=server.root_token, body=data)


def findings(server: MemoryServer) -> list[Finding]:
    with server.barrier.snapshot() as view:
        return [one for checked in server.barrier.scrub(view) for one in checked.findings]


def of_format_1(server: MemoryServer) -> bytes:
    """A snapshot as a program of before made it."""
    barrier = server.barrier
    with server.store.snapshot() as raw:
        check = barrier.passing(raw)
        header = Header(
            format=1,
            version="0.1.0",
            scope=barrier.keyring.scope.hex(),
            position=check.position,
            time="2026-11-01T00:00:00Z",
        )
        key = sealing_key(barrier.keyring)
        return b"".join(SnapshotWriter(raw, header, key, check.row, check.finish).pieces())


async def put(server: MemoryServer, name: str, value: int) -> None:
    path, body = f"secret/data/{name}", {"data": {"v": value}}
    await server.expect(200, "POST", path, token=server.root_token, body=body)


async def value(server: MemoryServer, name: str, status: int = 200) -> object:
    answer = await server.expect(status, "GET", f"secret/data/{name}", token=server.root_token)
    data = answer.json.get("data") or {}
    return (data.get("data") or {}).get("v")


async def test_what_was_written_since_is_undone_and_the_store_is_whole() -> None:
    async with MemoryServer() as server:
        root = server.root_token
        await put(server, "a", 1)
        data = await saved(server)
        await put(server, "a", 2)
        await put(server, "b", 3)
        body = {"policy": 'path "secret/*" { capabilities = ["read"] }'}
        await server.expect(204, "POST", "sys/policies/acl/since", token=root, body=body)
        await restore(server, data)
        assert await value(server, "a") == 1
        assert await value(server, "b", 404) is None
        await server.expect(404, "GET", "sys/policies/acl/since", token=root)
        assert findings(server) == []
        await put(server, "a", 4)
        assert await value(server, "a") == 4
        assert findings(server) == []


async def test_a_disabled_mount_comes_back_with_its_data() -> None:
    async with MemoryServer() as server:
        await put(server, "a", 1)
        data = await saved(server)
        await server.expect(204, "DELETE", "sys/mounts/secret", token=server.root_token)
        await restore(server, data)
        assert await value(server, "a") == 1
        assert findings(server) == []


async def test_tokens_stay_as_they_are_the_revoked_the_new_and_the_used() -> None:
    async with MemoryServer() as server:
        root = server.root_token
        policy = 'path "auth/token/lookup-self" { capabilities = ["read"] }'
        revoked, kept = await server.token(), await server.token()
        limited = await server.token(policy, num_uses=3)
        data = await saved(server)
        body = {"token": revoked}
        await server.expect(204, "POST", "auth/token/revoke", token=root, body=body)
        made = await server.token()
        await server.expect(200, "GET", "auth/token/lookup-self", token=limited)
        await restore(server, data)
        look = "auth/token/lookup-self"
        await server.expect(403, "GET", look, token=revoked)
        for token in (kept, made):
            await server.expect(200, "GET", look, token=token)
        found = await server.expect(200, "POST", "auth/token/lookup", token=root,
                                    body={"token": limited})  # fmt: skip
        assert found.data["num_uses"] == 2
        await server.expect(204, "POST", "auth/token/revoke", token=root, body={"token": kept})
        assert findings(server) == []


async def test_a_number_that_a_version_had_before_a_restore_is_no_other_versions() -> None:
    async with MemoryServer() as server:
        root = server.root_token
        await put(server, "a", 1)
        data = await saved(server)
        for number in range(2, 5):
            await put(server, "a", number)
        await restore(server, data)
        assert await value(server, "a") == 1
        await restore(server, await saved(server))  # the floor outlives another one
        made = await server.expect(
            200, "POST", "secret/data/a", token=root,
            body={"data": {"n": 9}, "options": {"cas": 1}},
        )  # fmt: skip
        assert made.data["version"] == 5
        shown = (await server.expect(200, "GET", "secret/metadata/a", token=root)).data
        gone = {number: version["destroyed"] for number, version in shown["versions"].items()}
        assert gone == {"1": False, "2": True, "3": True, "4": True, "5": False}
        await server.expect(404, "GET", "secret/data/a?version=3", token=root)
        assert findings(server) == []


async def test_many_numbers_lost_in_a_restore_push_old_versions_out_with_their_payloads() -> None:
    store = MemoryStore()
    async with MemoryServer(store=store) as server:
        await put(server, "a", 1)
        data = await saved(server)
        for number in range(2, 30):
            await put(server, "a", number)
        await restore(server, data)
        await put(server, "a", 30)
        shown = await server.expect(200, "GET", "secret/metadata/a", token=server.root_token)
        assert (shown.data["current_version"], shown.data["oldest_version"]) == (30, 21)
        payloads = [
            place for place, _ in store.dump()
            if place[0] == Table.ENGINE and place[9:10] == b"M" and len(place) > 9 + METADATA_KEY
        ]  # fmt: skip
        assert len(payloads) == 1


async def test_versions_that_were_destroyed_or_deleted_since_are_not_revived() -> None:
    async with MemoryServer() as server:
        root = server.root_token
        for number in range(1, 4):
            await put(server, "a", number)
        for name in ("whole", "removed", "deleted"):
            await put(server, name, 7)
        data = await saved(server)
        body = {"versions": [2]}
        await server.expect(204, "POST", "secret/destroy/a", token=root, body=body)
        await server.expect(204, "DELETE", "secret/data/deleted", token=root)
        await server.expect(204, "DELETE", "secret/metadata/removed", token=root)
        await restore(server, data)
        versions = (await server.expect(200, "GET", "secret/metadata/a", token=root)).data[
            "versions"
        ]
        assert [versions[str(n)]["destroyed"] for n in (1, 2, 3)] == [False, True, False]
        await server.expect(404, "GET", "secret/data/a?version=2", token=root)
        assert (await value(server, "a"), await value(server, "whole")) == (3, 7)
        for name in ("deleted", "removed"):
            assert await value(server, name, 404) is None
            body = {"versions": [1]}
            await server.expect(204, "POST", f"secret/undelete/{name}", token=root, body=body)
            assert await value(server, name) == 7
        assert findings(server) == []


async def test_a_snapshot_of_format_1_is_restored_and_destroys_what_was_destroyed_since() -> None:
    async with MemoryServer() as server:
        for number in (1, 2):
            await put(server, "a", number)

        def as_format_1(txn: Transaction) -> None:
            for key, payload in txn.scan(Table.ENGINE, b""):
                if key[8:9] == b"M" and len(key) > 8 + METADATA_KEY:
                    txn.put(Table.ENGINE, key[:8] + b"V" + key[9:], payload)
                    txn.delete(Table.ENGINE, key)

        await server.barrier.write(as_format_1)
        data = of_format_1(server)
        body = {"versions": [1]}
        await server.expect(204, "POST", "secret/destroy/a", token=server.root_token, body=body)
        await put(server, "a", 3)
        await restore(server, data)
        assert await value(server, "a") == 2
        await server.expect(404, "GET", "secret/data/a?version=1", token=server.root_token)
        with server.barrier.snapshot() as rows:
            keys = [key[8:] for key in rows.keys(Table.ENGINE, b"")]
        assert [key[-1] for key in keys if key[:1] == b"V"] == [2]
        assert findings(server) == []


async def test_a_limit_of_time_that_was_set_since_holds() -> None:
    async with MemoryServer() as server:
        root = server.root_token
        body = {"delete_version_after": "1h"}
        await server.expect(204, "POST", "secret/metadata/a", token=root, body=body)
        await put(server, "a", 1)
        await server.expect(204, "DELETE", "secret/data/a", token=root)
        data = await saved(server)
        await server.expect(204, "POST", "secret/undelete/a", token=root, body={"versions": [1]})
        await restore(server, data)
        assert await value(server, "a", 404) is None


async def test_keys_counts_and_time_do_not_go_back() -> None:
    async with MemoryServer() as server:
        root = server.root_token
        data = await saved(server)
        await server.expect(204, "POST", "sys/rotate", token=root)
        await put(server, "a", 1)
        with server.barrier.snapshot() as view:
            floor, used = server.barrier.floor_ns(view), server.barrier.encryptions(view, 2)
        await restore(server, data)
        assert server.barrier.keyring.term == 2
        with server.barrier.snapshot() as view:
            assert server.barrier.floor_ns(view) >= floor
            assert server.barrier.encryptions(view, 2) >= used
        await server.seal()
        await server.unseal()
        assert findings(server) == []


class Racing(MemoryStore):
    """What is in `upcoming` is written just before a restore's last look."""

    def __init__(self) -> None:
        super().__init__()
        self.upcoming: list[tuple[bytes, bytes]] = []

    def replace(self, generation: Generation, last: Callable[[RawRows], None]) -> None:
        if self.upcoming:
            self.load(self.upcoming)
        super().replace(generation, last)


async def test_what_is_written_while_a_restore_is_under_way_is_followed() -> None:
    store = Racing()
    async with MemoryServer(store=store) as server:
        root = server.root_token
        await put(server, "a", 1)
        token, data = await server.token(), await saved(server)
        before = store.dump()
        body = {"token": token}
        await server.expect(204, "POST", "auth/token/revoke", token=root, body=body)
        made = await server.token()
        body = {"versions": [1]}  # type: ignore[dict-item]  # another body
        await server.expect(204, "POST", "secret/destroy/a", token=root, body=body)
        store.upcoming = store.dump()
        store.load(before)
        await restore(server, data)
        await server.expect(403, "GET", "auth/token/lookup-self", token=token)
        await server.expect(200, "GET", "auth/token/lookup-self", token=made)
        found = await server.expect(200, "GET", "secret/metadata/a", token=root)
        assert found.data["versions"]["1"]["destroyed"] is True
        assert findings(server) == []


def cut(data: bytes) -> bytes:
    return data[: len(data) * 2 // 3]


def flipped(data: bytes) -> bytes:
    """One bit of a row, in an archive that is whole otherwise."""
    return rewritten(data, lambda name, body: body[:99] + bytes([body[99] ^ 1]) + body[100:]
                     if name.startswith("rows") else body)  # fmt: skip


def rewritten(data: bytes, change: Callable[[str, bytes], bytes | None]) -> bytes:
    out = io.BytesIO()
    with (
        tarfile.open(fileobj=io.BytesIO(data), mode="r:gz") as old,
        tarfile.open(fileobj=out, mode="w:gz") as new,
    ):
        for member in old:
            content = old.extractfile(member)
            assert content is not None
            body = change(member.name, content.read())
            if body is not None:
                info = tarfile.TarInfo(member.name)
                info.size = len(body)
                new.addfile(info, io.BytesIO(body))
    return out.getvalue()


def endless_header(_data: bytes) -> bytes:
    """The header of a PAX header that goes on for gibibytes, which compress to next to nothing."""
    info = tarfile.TarInfo("meta.json")
    info.type, info.size = tarfile.XHDTYPE, 8 * 1024**3 - 1
    return gzip.compress(info.tobuf() + bytes(100_000))


def resummed(data: bytes, change: Callable[[str, bytes], bytes]) -> bytes:
    """Changed, with checksums that say so: what whoever lacks the key can make."""
    sums: list[str] = []

    def each(name: str, body: bytes) -> bytes:
        if name == "SHA256SUMS":
            return "".join(sums).encode()
        body = change(name, body)
        sums.append(f"{hashlib.sha256(body).hexdigest()}  {name}\n")
        return body

    return rewritten(data, each)


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (lambda _data: b"", "cut short"),
        (lambda _data: b"not gzip", "cut short"),
        (lambda _data: gzip.compress(b"no tar" * 1000), "cut short"),
        (cut, "cut short"),
        (lambda data: data[:-1], "cut short"),
        (lambda data: data + b"more", "goes on"),
        (flipped, "checksums"),
        (endless_header, "should not"),
        (lambda data: rewritten(data, lambda n, b: None if n.endswith("sealed") else b), "short"),
        (lambda data: rewritten(data, lambda n, b: None if n == "SHA256SUMS" else b), "should not"),
        (lambda data: rewritten(data, lambda n, b: None if n.startswith("rows") else b), "checks"),
        (lambda data: resummed(data, lambda n, b: b[:99] + bytes([b[99] ^ 1]) + b[100:]
                               if n.startswith("rows") else b), "seal was not made"),
        (lambda data: rewritten(data, lambda _, b: b.replace(b'"format":2', b'"format":9')), "9"),
        (lambda data: rewritten(data, lambda _, b: b.replace(b'"format":2', b'"format":0')), "0"),
        (lambda data: rewritten(data, lambda n, b: b"{" if n == "meta.json" else b), "meta.json"),
    ],
)  # fmt: skip
async def test_what_is_cut_short_or_changed_is_refused_and_nothing_happens(
    harm: Callable[[bytes], bytes], said: str
) -> None:
    store = MemoryStore()
    async with MemoryServer(store=store) as server:
        await put(server, "a", 1)
        data = harm(await saved(server))
        await put(server, "a", 2)
        before = [row for row in store.dump() if row[0][0] != Table.OUTBOX]
        answer = await server.call("POST", PATH, token=server.root_token, body=data)
        assert answer.status == 400, answer.body
        assert said in answer.errors[0] or not data
        assert [row for row in store.dump() if row[0][0] != Table.OUTBOX] == before


async def test_of_a_store_that_is_damaged_there_is_no_snapshot() -> None:
    store = MemoryStore()
    async with MemoryServer(store=store) as server:
        await put(server, "a", 1)
        rows = dict(store.dump())
        gone = next(place for place in rows if place[0] == Table.ENGINE)
        store.load([row for row in rows.items() if row[0] != gone])
        answer = await server.expect(500, "GET", PATH, token=server.root_token)
        assert "ENGINE" in answer.errors[0]


async def test_a_snapshot_says_what_it_is() -> None:
    async with MemoryServer() as server:
        data = await saved(server)
        with tarfile.open(fileobj=io.BytesIO(data), mode="r:gz") as archive:
            names = archive.getnames()
        assert names == ["meta.json", "rows-00000001", "SHA256SUMS", "SHA256SUMS.sealed"]
        header, rows = snapshots.inspect(io.BytesIO(data))
        assert header.cluster_name == "memory"
        assert header.scope == server.barrier.keyring.scope.hex()
        assert rows > 10
        assert header.position > 0


async def test_an_empty_node_takes_a_snapshot_without_being_initialised() -> None:
    async with MemoryServer() as server:
        await put(server, "a", 1)
        data = await saved(server)
        other = MemoryServer()
        await other.expect(204, "POST", PATH, body=data)
        assert (await other.expect(200, "GET", "sys/init")).json["initialized"]
        other.shares, other.root_token = server.shares, server.root_token
        await other.unseal()
        assert await value(other, "a") == 1
        assert findings(other) == []
        await put(other, "b", 2)
        await other.broker.close()


async def test_a_sealed_node_with_data_is_asked_to_be_unsealed_first() -> None:
    async with MemoryServer() as server:
        data = await saved(server)
        await server.seal()
        for method in ("GET", "POST"):
            await server.expect(503, method, PATH, token=server.root_token, body=data)


async def test_the_snapshot_of_another_store_takes_force() -> None:
    async with MemoryServer() as server, MemoryServer() as other:
        await put(other, "a", 1)
        data = await saved(other)
        answer = await server.expect(400, "POST", PATH, token=server.root_token, body=data)
        assert "another store" in answer.errors[0]
        await put(server, "b", 2)
        await restore(server, data, path="sys/storage/raft/snapshot-force")
        assert (await server.expect(200, "GET", "sys/seal-status")).json["sealed"]
        server.shares, server.root_token = other.shares, other.root_token
        await server.unseal()
        assert await value(server, "a") == 1
        assert findings(server) == []


async def test_it_takes_a_token_that_may() -> None:
    async with MemoryServer() as server:
        data = await saved(server)
        token = await server.token()
        for method in ("GET", "POST"):
            await server.expect(403, method, PATH, token=token, body=data)
            await server.expect(403, method, PATH, body=data)


async def test_a_client_that_leaves_restores_nothing() -> None:
    async with MemoryServer() as server:
        await put(server, "a", 1)
        data = await saved(server)
        await put(server, "a", 2)
        headers = [("X-Vault-Token", server.root_token), ("Content-Length", str(len(data)))]
        answer = await server.exchange("POST", PATH, headers, [data[:50]], leaves=True)
        assert answer is not None
        assert answer.status == 400
        assert await value(server, "a") == 2
