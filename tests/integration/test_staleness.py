"""What was taken away is refused by the very next request, on any connection and in every process.

And what a write was allowed by must still be there when it commits.
"""

import os
import random
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from tests.harness import Client, Server, eventually

_ROUNDS = 2000
_CONNECTIONS = 24
_RACES = 60
_WRITERS = 3
_WIDE = """
path "secret/data/stale/*" { capabilities = ["create", "update", "read"] }
path "auth/token/create"   { capabilities = ["update"] }
"""
_TIGHT = 'path "secret/data/stale/*" { capabilities = ["create", "update"] }'


@pytest.fixture
def connections(shared_node: Server) -> Iterator[list[Client]]:
    """Keep-alive connections of which every worker holds some."""
    with ExitStack() as stack:
        clients: list[Client] = []
        while len(clients) < _CONNECTIONS or not _held_by_all(shared_node, clients):
            clients.append(stack.enter_context(shared_node.client()))
            clients[-1].expect(200, "GET", "sys/health")
            assert len(clients) < 20 * _CONNECTIONS, "one worker takes all connections"
        yield clients


def test_what_is_taken_away_is_refused_by_the_next_request_on_any_connection(
    shared_node: Server, connections: list[Client], seed: int
) -> None:
    chance = random.Random(seed)  # noqa: S311 - chooses connections
    shared_node.expect(200, "POST", "secret/data/stale/one", {"data": {"value": "x"}})
    shared_node.expect(204, "PUT", "sys/policies/acl/stale", {"policy": _WIDE})
    stale = 0
    for number in range(_ROUNDS):
        admin, before, *after = chance.sample(connections, 5)
        take_away = (_revoked, _tightened, _disabled, _bereft, _leaked, _recalled)[number % 6]
        stale += take_away(admin, before, after)
    assert stale == 0


def _revoked(admin: Client, before: Client, after: list[Client]) -> int:
    token = _token(admin)
    assert before.call("GET", "secret/data/stale/one", token=token).status == 200
    admin.expect(204, "POST", "auth/token/revoke", {"token": token})
    return sum(
        client.call("GET", "secret/data/stale/one", token=token).status != 403 for client in after
    )


def _bereft(admin: Client, before: Client, after: list[Client]) -> int:
    """A batch token, of which nothing is stored, falls with the token that made it."""
    parent = _token(admin)
    made = admin.call("POST", "auth/token/create", {"type": "batch"}, token=parent)
    token = str(made.body["auth"]["client_token"])
    assert before.call("GET", "secret/data/stale/one", token=token).status == 200
    admin.expect(204, "POST", "auth/token/revoke", {"token": parent})
    return sum(
        client.call("GET", "secret/data/stale/one", token=token).status != 403 for client in after
    )


def _leaked(admin: Client, before: Client, after: list[Client]) -> int:
    token = _token(admin)
    assert before.call("GET", "secret/data/stale/one", token=token).status == 200
    admin.expect(200, "POST", "sys/leaked-tokens", {"texts": [f"found: {token}"]})
    return sum(
        client.call("GET", "secret/data/stale/one", token=token).status != 403 for client in after
    )


def _recalled(admin: Client, before: Client, after: list[Client]) -> int:
    """All tokens of a role are revoked by the path that made them."""
    admin.expect(204, "POST", "auth/token/roles/stale", {"allowed_policies": ["stale"]})
    made = admin.expect(200, "POST", "auth/token/create/stale", {})
    token = str(made.body["auth"]["client_token"])
    assert before.call("GET", "secret/data/stale/one", token=token).status == 200
    admin.expect(204, "PUT", "sys/leases/revoke-prefix/auth/token/create/stale")
    return sum(
        client.call("GET", "secret/data/stale/one", token=token).status != 403 for client in after
    )


def _tightened(admin: Client, before: Client, after: list[Client]) -> int:
    token = _token(admin)
    assert before.call("GET", "secret/data/stale/one", token=token).status == 200
    admin.expect(204, "PUT", "sys/policies/acl/stale", {"policy": _TIGHT})
    stale = sum(
        client.call("GET", "secret/data/stale/one", token=token).status != 403 for client in after
    )
    admin.expect(204, "PUT", "sys/policies/acl/stale", {"policy": _WIDE})
    return stale


def _disabled(admin: Client, before: Client, after: list[Client]) -> int:
    admin.expect(204, "POST", "sys/mounts/stale", {"type": "kv-v2"})
    before.expect(200, "POST", "stale/data/one", {"data": {"value": "x"}})
    admin.expect(204, "DELETE", "sys/mounts/stale")
    return sum(client.call("GET", "stale/data/one").status != 404 for client in after)


def test_no_write_lands_once_its_tokens_revocation_is_acknowledged(shared_node: Server) -> None:
    shared_node.expect(204, "PUT", "sys/policies/acl/race", {"policy": _WIDE})
    landed = 0
    with shared_node.client() as admin:
        for number in range(_RACES):
            token = _token(admin, "race")
            race = _Race(shared_node, token, number)
            eventually(race.all_have_written)
            admin.expect(204, "POST", "auth/token/revoke", {"token": token})
            acknowledged = [_version(admin, key) for key in race.keys]
            race.join()
            assert [_version(admin, key) for key in race.keys] == acknowledged
            assert race.refused == _WRITERS
            landed += sum(acknowledged)
    assert landed > _RACES * _WRITERS  # they did write


def test_no_write_lands_once_its_policys_change_is_acknowledged(shared_node: Server) -> None:
    read_only = _WIDE.replace('"create", "update", ', "")
    with shared_node.client() as admin:
        for number in range(_RACES, 2 * _RACES):
            admin.expect(204, "PUT", "sys/policies/acl/race", {"policy": _WIDE})
            race = _Race(shared_node, _token(admin, "race"), number)
            eventually(race.all_have_written)
            admin.expect(204, "PUT", "sys/policies/acl/race", {"policy": read_only})
            acknowledged = [_version(admin, key) for key in race.keys]
            race.join()
            assert [_version(admin, key) for key in race.keys] == acknowledged


class _Race:
    """Writers with one token, each on a key of its own, that go on until they are refused."""

    def __init__(self, server: Server, token: str, number: int) -> None:
        self.keys = [f"stale/race-{number}-{writer}" for writer in range(_WRITERS)]
        self.refused = 0
        self._written: set[str] = set()
        self._lock = threading.Lock()
        self._threads = [
            threading.Thread(target=self._write, args=(server.client(token), key))
            for key in self.keys
        ]
        for thread in self._threads:
            thread.start()

    def all_have_written(self) -> bool:
        """Whether each has written at least once."""
        return len(self._written) == _WRITERS

    def join(self) -> None:
        """Wait until all were refused."""
        for thread in self._threads:
            thread.join()

    def _write(self, client: Client, key: str) -> None:
        with client:
            while client.call("POST", f"secret/data/{key}", {"data": {}}).status == 200:
                self._written.add(key)
        with self._lock:
            self.refused += 1


def _token(admin: Client, policy: str = "stale") -> str:
    answer = admin.expect(200, "POST", "auth/token/create", {"policies": [policy]})
    return str(answer.body["auth"]["client_token"])


def _version(admin: Client, key: str) -> int:
    return int(admin.expect(200, "GET", f"secret/metadata/{key}").data["current_version"])


def _held_by_all(server: Server, clients: list[Client]) -> bool:
    """Whether every worker holds the other end of some of these connections; only root can tell."""
    if os.geteuid() != 0:
        return True
    ports = {client.link.sock.getsockname()[1] for client in clients}
    ends = _server_ends(server.port, ports)
    workers = server.of_role("worker")
    return all(ends & _sockets(pid) for pid in workers)


def _server_ends(port: int, client_ports: set[int]) -> set[str]:
    """Inodes of the server's sockets that lead to those ports."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return {
        row[9]
        for row in rows
        if int(row[1].split(":")[1], 16) == port and int(row[2].split(":")[1], 16) in client_ports
    }


def _sockets(pid: int) -> set[str]:
    names = (str(link.readlink()) for link in Path(f"/proc/{pid}/fd").iterdir())
    return {name[8:-1] for name in names if name.startswith("socket:[")}
