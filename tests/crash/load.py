"""Writers that remember what they were told, and the check of a store against their memory."""

import http.client
import itertools
import random
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from tests.harness import Client, Server, decode

WRITERS = 4
KEY_LENGTH = 40  # versions of one key before a writer begins another
FOLDER = "crash"
_POLICY = "default"


@dataclass(slots=True)
class Attempt:
    """One write; `version` is 0 until it was acknowledged."""

    value: str
    version: int = 0
    request_id: str = ""


@dataclass(slots=True)
class Ledger:
    """What was sent in one round and what came back."""

    own: dict[str, list[Attempt]] = field(default_factory=dict)  # one writer each, in order
    shared: dict[str, list[Attempt]] = field(default_factory=dict)  # all writers, in any order
    tokens: dict[str, str] = field(default_factory=dict)  # acknowledged token → its request id
    revoked: set[str] = field(default_factory=set)  # tokens whose revocation was acknowledged
    doubtful: set[str] = field(default_factory=set)  # tokens whose revocation was not answered

    def attempts(self) -> Iterator[tuple[str, Attempt]]:
        """Every write with its key."""
        for key, attempts in itertools.chain(self.own.items(), self.shared.items()):
            for attempt in attempts:
                yield key, attempt

    def acknowledged(self) -> list[str]:
        """The request ids of what was answered with one; a revocation's answer has none."""
        writes = [attempt.request_id for _, attempt in self.attempts() if attempt.version]
        return [*writes, *self.tokens.values()]


class Load:
    """Concurrent writers against one node until they are stopped."""

    def __init__(self, server: Server, chance: random.Random, name: str) -> None:
        self.ledger = Ledger()
        self._server = server
        self._name = name
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._common = f"{FOLDER}/{name}-all"
        self.ledger.shared[self._common] = []
        chances = [random.Random(chance.random()) for _ in range(WRITERS)]  # noqa: S311 - no secret
        self._threads = [
            threading.Thread(target=self._write, args=(number, one))
            for number, one in enumerate(chances)
        ]
        for thread in self._threads:
            thread.start()

    def stop(self) -> Ledger:
        """End the writers; what they remember."""
        self._stop.set()
        for thread in self._threads:
            thread.join()
        return self.ledger

    def _write(self, number: int, chance: random.Random) -> None:
        client = self._server.client()
        mine: list[str] = []
        for count in itertools.count():
            if self._stop.is_set():
                break
            try:
                self._once(client, chance, f"{self._name}-{number}", count, mine)
            except (OSError, http.client.HTTPException):
                self._stop.wait(0.02)  # its outcome is unknown; somebody else may answer the next
        client.close()

    def _once(
        self, client: Client, chance: random.Random, name: str, count: int, mine: list[str]
    ) -> None:
        value = f"{name}-{count}"
        match chance.choices(("own", "all", "create", "revoke"), (70, 15, 10, 5))[0]:
            case "own":
                self._put(client, f"{FOLDER}/{name}-{count // KEY_LENGTH}", value, self.ledger.own)
            case "all":
                self._put(client, self._common, value, self.ledger.shared)
            case "create":
                answer = client.call("POST", "auth/token/create", {"policies": [_POLICY]})
                if answer.status == 200:
                    token = answer.body["auth"]["client_token"]
                    self.ledger.tokens[token] = answer.request_id
                    mine.append(token)
            case _ if mine:
                self._revoke(client, mine.pop())

    def _put(self, client: Client, key: str, value: str, place: dict[str, list[Attempt]]) -> None:
        attempt = Attempt(value)
        with self._lock:
            place.setdefault(key, []).append(attempt)
        answer = client.call("POST", f"secret/data/{key}", {"data": {"value": value}})
        if answer.status == 200:
            attempt.request_id = answer.request_id
            attempt.version = answer.data["version"]

    def _revoke(self, client: Client, token: str) -> None:
        self.ledger.doubtful.add(token)
        answer = client.call("POST", "auth/token/revoke", {"token": token})
        if answer.status == 204:
            self.ledger.doubtful.discard(token)
            self.ledger.revoked.add(token)


def check(server: Server, ledger: Ledger) -> list[tuple[str, Attempt]]:
    """Assert that the node holds what the ledger says; the writes that it holds unacknowledged."""
    clients = [server.client() for _ in range(WRITERS)]
    try:
        with ThreadPoolExecutor(WRITERS) as pool:
            parts = [
                pool.submit(_check_part, client, ledger, number)
                for number, client in enumerate(clients)
            ]
            return list(itertools.chain.from_iterable(part.result() for part in parts))
    finally:
        for client in clients:
            client.close()


def _check_part(client: Client, ledger: Ledger, number: int) -> list[tuple[str, Attempt]]:
    surprises: list[tuple[str, Attempt]] = []
    for key, attempts in sorted(ledger.own.items())[number::WRITERS]:
        surprises += [(key, one) for one in _in_order(key, _versions(client, key), attempts)]
    for key, attempts in sorted(ledger.shared.items())[number::WRITERS]:
        surprises += [(key, one) for one in _in_any(key, _versions(client, key), attempts)]
    for token in sorted(ledger.tokens)[number::WRITERS]:
        status = client.call("GET", "auth/token/lookup-self", token=token).status
        if token in ledger.revoked:
            assert status == 403, "a revoked token is back"
        elif token not in ledger.doubtful:
            assert status == 200, "a token that was handed out is gone"
    return surprises


def _versions(client: Client, key: str) -> list[str]:
    """The values of a key's versions, from the first on. Asserts that metadata and data agree."""
    answer = client.call("GET", f"secret/metadata/{key}")
    if answer.status == 404:
        assert client.call("GET", f"secret/data/{key}").status == 404
        return []
    current = answer.data["current_version"]
    assert sorted(map(int, answer.data["versions"])) == list(range(1, current + 1)), key
    values = []
    for version in range(1, current + 1):
        read = client.expect(200, "GET", f"secret/data/{key}?version={version}")
        assert read.data["metadata"]["version"] == version
        values.append(read.data["data"]["value"])
    newest = client.expect(200, "GET", f"secret/data/{key}")
    assert newest.data["metadata"]["version"] == current
    assert client.call("GET", f"secret/data/{key}?version={current + 1}").status == 404
    return values


def _in_order(key: str, values: list[str], attempts: list[Attempt]) -> list[Attempt]:
    """Assert that the versions are the attempts in their order, less some unacknowledged ones."""
    surprises, waiting = [], iter(attempts)
    for version, value in enumerate(values, 1):
        for attempt in waiting:
            if attempt.value == value:
                break
            assert not attempt.version, f"{key}: version {attempt.version} is lost"
        else:
            raise AssertionError(f"{key}: version {version} was never written, or twice")
        assert attempt.version in (0, version), f"{key}: {attempt} is at version {version}"
        surprises += [] if attempt.version else [attempt]
    lost = [attempt for attempt in waiting if attempt.version]
    assert not lost, f"{key}: lost {lost}"
    return surprises


def _in_any(key: str, values: list[str], attempts: list[Attempt]) -> list[Attempt]:
    """Assert that each version is another attempt, and each acknowledged one at its version."""
    known = {attempt.value: attempt for attempt in attempts}
    assert len(set(values)) == len(values), f"{key}: a value was written twice"
    for attempt in attempts:
        if attempt.version:
            found = values[attempt.version - 1 : attempt.version]
            assert found == [attempt.value], f"{key}: {attempt} reads as {found}"
    return [known[value] for value in values if not known[value].version]


class AuditTrail:
    """What the audit file says of requests and commits, read as it grows."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._read = 0
        self.events: dict[str, list[dict[str, Any]]] = {}  # records of commits, by event id
        self._asked: dict[tuple[str, str], str] = {}  # (path, hash of what was sent) → request id

    def catch_up(self) -> None:
        """Read what is new."""
        with self._server.audit.open("rb") as file:
            file.seek(self._read)
            text = file.read()
        whole = text[: text.rfind(b"\n") + 1]
        self._read += len(whole)
        for record in decode(whole):
            self._take(record)

    def _take(self, record: dict[str, Any]) -> None:
        event = record.get("custody", {}).get("event_id", "")
        if event:
            self.events.setdefault(event, []).append(record)
        if record["type"] == "request":
            request = record["request"]
            data = request.get("data") or {}
            sent = data.get("token") or (data.get("data") or {}).get("value")
            if sent:
                self._asked[request["path"], sent] = request["id"]

    def request_of(self, path: str, sent: str) -> str:
        """The id of the request that sent that text to that path, by its record."""
        answer = self._server.expect(200, "PUT", "sys/audit-hash/file", {"input": sent})
        return self._asked[path, answer.data["hash"]]
