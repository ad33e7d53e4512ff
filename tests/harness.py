"""A real server for tests: `custody server` on a free port, its processes, files and clients.

What is started is ended by its process number, whatever the test does. Nothing here knows the
server's insides, but `open_barrier`, which reads a stopped server's rows with its shares.
"""

import asyncio
import contextlib
import http.client
import json
import os
import re
import signal
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from custody.barrier.barrier import Barrier
from custody.barrier.finding import Finding
from custody.barrier.keyring import Keyring, unwrap_keyring
from custody.barrier.meta import MetaRow, read_meta
from custody.base.clock import SystemClock
from custody.base.ids import SystemSource
from custody.crypto import shamir
from custody.seals.shamir import unwrap_root_key
from custody.storage.lmdb import LMDBStore

CUSTODY = Path(sys.executable).with_name("custody")
PATIENCE = 20.0  # seconds for what must happen soon; a loaded machine is slow
_CONFIG = """\
storage "lmdb" {{ path = "{directory}/data" }}
listener "tcp" {{
  address     = "127.0.0.1:0"
  {listener}
}}
audit "file" "file" {{ options {{ file_path = "{audit}" }} }}
disable_mlock    = true
shutdown_timeout = "2s"
workers          = 2
"""


@dataclass(frozen=True, slots=True)
class Answer:
    """A status, the body (decoded JSON or text; None where there is none), and the headers."""

    status: int
    body: Any
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def data(self) -> Any:
        """The envelope's `data`."""
        return self.body["data"]

    @property
    def request_id(self) -> str:
        """The envelope's request id; empty where there is no body."""
        return "" if self.body is None else str(self.body.get("request_id", ""))


class Client:
    """One keep-alive connection. Raises OSError or HTTPException when the server goes away."""

    def __init__(
        self,
        port: int,
        token: str = "",
        timeout: float = PATIENCE,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.token = token
        self.headers: dict[str, str] = {}  # sent with every request
        self.link = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
        if tls is not None:
            self.link = http.client.HTTPSConnection("127.0.0.1", port, timeout=timeout, context=tls)

    def call(self, method: str, path: str, body: object = None, token: str | None = None) -> Answer:
        """One request below /v1/; `body` is sent as JSON, or as it is if it is bytes."""
        shown = self.token if token is None else token
        headers = dict(self.headers)
        if shown:
            headers["X-Vault-Token"] = shown
        if method == "PATCH":
            headers["Content-Type"] = "application/merge-patch+json"
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
        try:
            self.link.request(method, f"/v1/{path}", body, headers)
            response = self.link.getresponse()
            text = response.read()
        except (OSError, http.client.HTTPException):
            self.link.close()  # the next call connects anew
            raise
        found = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, _decoded(text, found.get("content-type", "")), found)

    def expect(self, status: int, method: str, path: str, body: object = None) -> Answer:
        """As `call`. Raises AssertionError for another status."""
        answer = self.call(method, path, body)
        assert answer.status == status, f"{method} {path}: {answer.status} {answer.body}"
        return answer

    def close(self) -> None:
        """Hang up."""
        self.link.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Server:
    """A node in `directory`: configuration, data/, audit.log, and `log` with all it says.

    It is started at once; every start chooses a free port.
    """

    def __init__(
        self,
        directory: Path,
        *,
        audit: Path | None = None,
        settings: str = "",
        log: str = "log",
        listener: str = "tls_disable = true",
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.directory = directory
        self.audit = audit or directory / "audit.log"
        self.log = directory / log
        self.settings = settings
        self.listener = listener
        self.tls = tls  # how clients prove the server, where the listener speaks TLS
        self.port = 0
        self.token = ""
        self.shares: list[str] = []
        self.start()

    @property
    def address(self) -> str:
        """As clients want it in CUSTODY_ADDR."""
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}"

    @property
    def data(self) -> Path:
        """The data directory."""
        return self.directory / "data"

    def write_config(self) -> Path:
        """Write its configuration file; where that is."""
        config = self.directory / "server.hcl"
        text = _CONFIG.format(directory=self.directory, audit=self.audit, listener=self.listener)
        config.write_text(text + self.settings)
        return config

    def command(self, config: Path) -> list[str | Path]:
        """What starts it."""
        return [CUSTODY, "server", f"-config={config}"]

    def start(self) -> None:
        """Start it; returns when every process is ready."""
        config = self.write_config()
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(  # noqa: S603 - our own server
                self.command(config),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        found = re.fullmatch(
            r"custody is ready at https?://127\.0\.0\.1:(\d+)(, unix://.+)?\n", line
        )
        if found is None:
            self.kill()
            raise AssertionError(line + self.log.read_text())
        self.port = int(found[1])

    def stop(self) -> None:
        """End it as an operator does."""
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(PATIENCE)
        finally:
            self.kill()

    def kill(self) -> None:
        """End every process of it without ceremony, and see them gone."""
        pids = [self.process.pid, *self.pids()] if self.process.poll() is None else []
        kill_all(pids)
        self.process.wait()
        eventually(lambda: not any(alive(pid) for pid in pids))
        if self.process.stdout is not None:
            self.process.stdout.close()

    def client(self, token: str | None = None) -> Client:
        """A connection; with the root token unless told."""
        return Client(self.port, self.token if token is None else token, tls=self.tls)

    def call(self, method: str, path: str, body: object = None, token: str | None = None) -> Answer:
        """One request on a connection of its own, with the root token unless told."""
        with self.client(token) as client:
            return client.call(method, path, body)

    def expect(self, status: int, method: str, path: str, body: object = None) -> Answer:
        """As `call`. Raises AssertionError for another status."""
        with self.client() as client:
            return client.expect(status, method, path, body)

    def initialise(self, shares: int = 1, threshold: int = 1) -> None:
        """Initialise, keep what it answers, unseal."""
        wish = {"secret_shares": shares, "secret_threshold": threshold}
        made = self.expect(200, "PUT", "sys/init", wish).body
        self.shares, self.token = made["keys"][:threshold], made["root_token"]
        self.unseal()

    def unseal(self) -> None:
        """Give as many shares as it takes."""
        for share in self.shares:
            self.expect(200, "PUT", "sys/unseal", {"key": share})
        assert self.expect(200, "GET", "sys/seal-status").body["sealed"] is False

    def mount(self, path: str = "secret", **config: Any) -> None:
        """Enable KV version 2."""
        self.expect(204, "POST", f"sys/mounts/{path}", {"type": "kv-v2"})
        if config:
            self.expect(204, "POST", f"{path}/config", config)

    def new_token(self, policy: str, name: str, **fields: Any) -> str:
        """A token under a policy of its own, which is written first."""
        self.expect(204, "PUT", f"sys/policies/acl/{name}", {"policy": policy})
        made = self.expect(200, "POST", "auth/token/create", {"policies": [name], **fields})
        return str(made.body["auth"]["client_token"])

    def pids(self) -> dict[int, str]:
        """The role of every child that runs its own program, by its process number."""
        with contextlib.suppress(FileNotFoundError):
            number = self.process.pid
            children = Path(f"/proc/{number}/task/{number}/children").read_text().split()
            roles = {int(pid): _role(int(pid)) for pid in children}
            return {pid: role for pid, role in roles.items() if role}
        return {}

    def of_role(self, role: str) -> list[int]:
        """The processes of a role."""
        return [pid for pid, each in self.pids().items() if each == role]

    def whole(self) -> bool:
        """Whether every process of the node is there."""
        return sorted(self.pids().values()) == ["custodian", "steward", "worker", "worker"]

    def wait_until_replaced(self, *pids: int) -> None:
        """Until those processes are gone, every process is there, and the node answers."""
        eventually(lambda: not any(alive(pid) for pid in pids))
        eventually(self.whole)
        eventually(self.answers)

    def answers(self) -> bool:
        """Whether somebody answers."""
        try:
            return self.call("GET", "sys/seal-status").status == 200
        except (OSError, http.client.HTTPException):
            return False

    def records(self) -> list[dict[str, Any]]:
        """What the audit file holds, decoded."""
        return list(decode(self.audit.read_bytes()))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()


def decode(text: bytes) -> Iterator[dict[str, Any]]:
    """The audit records in `text`, less what a process killed in its write left torn or blank."""
    for line in text.split(b"\n"):
        with contextlib.suppress(ValueError):
            yield json.loads(line)


def kill_all(pids: "list[int]") -> None:
    """SIGKILL each that is still there."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def alive(pid: int) -> bool:
    """Whether that process still runs."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in "ZX"


def eventually(holds: Callable[[], bool], seconds: float = PATIENCE) -> None:
    """Wait until `holds`. Raises AssertionError when it takes too long."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if holds():
            return
        time.sleep(0.01)
    raise AssertionError(f"{holds} did not come true in {seconds:.0f} s")


def keys_of(store: LMDBStore, shares: list[str]) -> tuple[bytes, Keyring]:
    """The root key and keyring of a store, by its shares. Raises what unwrapping raises."""
    parts = [bytes.fromhex(share) for share in shares]
    with store.snapshot() as rows:
        root_key, keyring = read_meta(rows, MetaRow.ROOT_KEY), read_meta(rows, MetaRow.KEYRING)
    assert root_key is not None
    assert keyring is not None
    unsealed = unwrap_root_key(root_key, parts[0] if len(parts) == 1 else shamir.combine(parts))
    return unsealed, unwrap_keyring(keyring, unsealed)


def open_store(data: Path) -> LMDBStore:
    """The store of a data directory that no server uses."""
    return LMDBStore.open(data, stamp=lambda _: None, clock=SystemClock(), low_water=0)


def close_store(store: LMDBStore) -> None:
    """Close a store outside any event loop."""
    asyncio.run(store.close())


@contextlib.contextmanager
def open_barrier(data: Path, shares: list[str]) -> Iterator[Barrier]:
    """The barrier over a data directory that no server uses, unsealed."""
    store = open_store(data)
    barrier = Barrier(store, SystemClock(), SystemSource())
    barrier.install(keys_of(store, shares)[1])
    try:
        yield barrier
    finally:
        close_store(store)


def findings(barrier: Barrier) -> list[Finding]:
    """What the scrub finds wrong."""
    with barrier.snapshot() as view:
        return [finding for batch in barrier.scrub(view) for finding in batch.findings]


def _decoded(text: bytes, content_type: str) -> Any:
    if not text:
        return None
    return json.loads(text) if content_type.startswith("application/json") else text.decode()


def _role(pid: int) -> str:
    """The role by its command line; empty before it runs its own program."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return ""
    names = [word.removeprefix(b"custody.serve.") for word in words if b"custody.serve." in word]
    return names[0].decode() if len(names) == 1 and len(words) < 8 else ""
