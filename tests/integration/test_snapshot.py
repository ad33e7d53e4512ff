"""Snapshots on real processes: saved while the node serves and writes, restored while it runs."""

import threading
import time
from pathlib import Path

import pytest
from tests.harness import Client, Server

from custody.storage.layout import draft

PATH = "/v1/sys/storage/snapshot"


def save(node: Server) -> bytes:
    with Client(node.port) as client:
        client.link.request("GET", PATH, headers={"X-Vault-Token": node.token})
        response = client.link.getresponse()
        assert response.status == 200
        assert response.getheader("Content-Type") == "application/gzip"
        return response.read()


def restore(node: Server, data: bytes, status: int = 204, path: str = PATH) -> None:
    headers = {"X-Vault-Token": node.token} if node.token else {}
    with Client(node.port) as client:
        client.link.request("POST", path, data, headers)
        response = client.link.getresponse()
        text = response.read()
        assert response.status == status, text


def put(client: Client, name: str, value: int) -> None:
    client.expect(200, "POST", f"secret/data/{name}", {"data": {"v": value}})


def value(client: Client, name: str) -> object:
    answer = client.call("GET", f"secret/data/{name}")
    return answer.data["data"]["v"] if answer.status == 200 else answer.status


def settled(node: Server, name: str, expected: object) -> None:
    """Every worker has been started anew: connections of their own see the same."""
    deadline = time.monotonic() + 20
    agreed = 0
    while agreed < 10:
        assert time.monotonic() < deadline
        try:
            with Client(node.port, node.token) as client:
                agreed = agreed + 1 if value(client, name) == expected else 0
        except OSError:
            agreed = 0
            time.sleep(0.05)


def test_a_running_node_is_restored_and_stays_unsealed(node: Server) -> None:
    with Client(node.port, node.token) as client:
        put(client, "a", 1)
        revoked = client.expect(200, "POST", "auth/token/create", {"policies": ["default"]})
        token = revoked.body["auth"]["client_token"]
        data = save(node)
        put(client, "a", 2)
        put(client, "b", 3)
        client.expect(204, "POST", "auth/token/revoke", {"token": token})
    restore(node, data)
    settled(node, "a", 1)
    with Client(node.port, node.token) as client:
        assert value(client, "b") == 404
        assert client.call("GET", "auth/token/lookup-self", token=token).status == 403
        put(client, "a", 4)
        found = client.expect(200, "POST", "sys/verify", {}).data
        assert (found["found"], found["unfinished"]) == (0, [])
    ended = [line for line in node.log.read_text().splitlines() if "ended with status 0" in line]
    assert len(ended) >= 3  # they were asked to: nothing is wrong
    assert all("[INFO]" in line for line in ended)
    deadline = time.monotonic() + 20
    while list((node.data / "root").glob("gen-*")) != [node.data / "root" / "gen-000002"]:
        assert time.monotonic() < deadline, "what was replaced is still there"
        time.sleep(0.1)
    node.stop()
    node.start()
    node.unseal()
    with Client(node.port, node.token) as client:
        assert value(client, "a") == 4


def test_nothing_that_was_acknowledged_after_a_restore_is_lost(node: Server) -> None:
    """Writers go on through the restore: what the new data acknowledge is there at the end."""
    with Client(node.port, node.token) as client:
        put(client, "counter", 0)
        data = save(node)
    acknowledged: list[int] = []
    stop = threading.Event()

    def write() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            try:
                with Client(node.port, node.token) as client:
                    put(client, "counter", number)
                acknowledged.append(number)
            except (OSError, AssertionError):
                time.sleep(0.01)

    writer = threading.Thread(target=write)
    writer.start()
    time.sleep(0.3)
    restore(node, data)
    time.sleep(2.0)
    stop.set()
    writer.join()
    settled(node, "counter", acknowledged[-1])


def test_an_empty_node_is_restored_and_opens_with_the_old_shares(
    node: Server, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with Client(node.port, node.token) as client:
        put(client, "a", 1)
    data = save(node)
    with Server(tmp_path_factory.mktemp("other")) as other:
        restore(other, data[: len(data) // 2], 400)
        restore(other, data)
        other.shares, other.token = node.shares, node.token
        deadline = time.monotonic() + 20
        while True:
            try:
                other.unseal()
                break
            except (OSError, AssertionError):
                assert time.monotonic() < deadline
                time.sleep(0.1)
        settled(other, "a", 1)
        restore(other, data)


def test_a_snapshot_is_whole_whatever_is_written_meanwhile(node: Server) -> None:
    stop = threading.Event()

    def write() -> None:
        number = 0
        with Client(node.port, node.token) as client:
            while not stop.is_set():
                number += 1
                put(client, f"many/{number}", number)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        time.sleep(0.5)
        data = save(node)
    finally:
        stop.set()
        writer.join()
    restore(node, data)
    settled(node, "many/1", 1)
    with Client(node.port, node.token) as client:
        assert client.expect(200, "POST", "sys/verify", {}).data["found"] == 0


def test_what_a_killed_restore_had_built_is_removed_by_the_next(node: Server) -> None:
    shard = node.data / "root"
    left = draft(shard, "gen-000009")
    left.mkdir()
    (left / "data.mdb").write_bytes(b"x")
    with Client(node.port, node.token) as client:
        put(client, "a", 1)
    restore(node, save(node))
    assert not Path(left).exists()
    settled(node, "a", 1)
