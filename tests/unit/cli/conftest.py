"""A small server that answers as Vault does, and a command line to point at it."""

import io
import json
import re
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from custody.cli.command import Console
from custody.cli.environment import Environment
from custody.cli.main import run

ROOT_TOKEN = "s.RootRootRootRootRootRoot"
SHARES = ["c2hhcmUtbnVtYmVyLW9uZS1vZi10aHJlZQ==", "c2hhcmUtbnVtYmVyLXR3by1vZi10aHJlZQ=="]
TIME = "2026-11-22T13:14:50.103464463Z"
Reply = tuple[int, dict[str, Any] | None]

DENIED: Reply = (403, {"errors": ["permission denied"]})
MISSING: Reply = (404, {"errors": []})
DONE: Reply = (204, None)


def envelope(data: dict[str, Any] | None, **more: Any) -> Reply:
    """An answer with the parts that every logical response has."""
    body = {
        "request_id": "9b0dd2a4-3c2c-4d5c-8f3c-0b8a6f1f7a11",
        "lease_id": "",
        "renewable": False,
        "lease_duration": 0,
        "data": data,
        "wrap_info": None,
        "warnings": None,
        "auth": None,
    }
    return 200, {**body, **more}


class Keys:
    """A KV store with versions."""

    def __init__(self) -> None:
        self.secrets: dict[str, list[dict[str, Any]]] = {}
        self.notes: dict[str, dict[str, Any]] = {}

    def data(self, method: str, key: str, query: dict[str, str], body: dict[str, Any]) -> Reply:
        versions = self.secrets.get(key, [])
        if method == "GET":
            number = int(query.get("version", 0)) or len(versions)
            if not 0 < number <= len(versions):
                return MISSING
            found = versions[number - 1]
            metadata = {k: v for k, v in found.items() if k != "data"} | {"version": number}
            gone = bool(found["deletion_time"]) or found["destroyed"]
            metadata["custom_metadata"] = None
            data = None if gone else found["data"]
            status, whole = envelope({"data": data, "metadata": metadata})
            return (404 if gone else status), whole
        if method == "DELETE":
            if versions:
                versions[-1]["deletion_time"] = TIME
            return DONE
        return self._put(method, key, body)

    def _put(self, method: str, key: str, body: dict[str, Any]) -> Reply:
        versions = self.secrets.get(key, [])
        expected = body.get("options", {}).get("cas")
        if expected is not None and expected != len(versions):
            text = "check-and-set parameter did not match the current version"
            return 400, {"errors": [text]}
        data = body["data"]
        if method == "PATCH":
            if not versions:
                return MISSING
            merged = {**versions[-1]["data"], **data}
            data = {name: value for name, value in merged.items() if value is not None}
        version = {"created_time": TIME, "deletion_time": "", "destroyed": False}
        self.secrets.setdefault(key, []).append({**version, "data": data})
        number = len(self.secrets[key])
        return envelope({**version, "version": number, "custom_metadata": None})

    def change(self, verb: str, key: str, body: dict[str, Any]) -> Reply:
        for number in map(int, body["versions"]):
            version = self.secrets[key][number - 1]
            if verb == "destroy":
                version["destroyed"] = True
            else:
                version["deletion_time"] = TIME if verb == "delete" else ""
        return DONE

    def metadata(self, method: str, key: str, body: dict[str, Any]) -> Reply:
        if method == "DELETE":
            self.secrets.pop(key, None)
            return DONE
        if method != "GET":
            self.notes[key] = body
            return DONE
        versions = self.secrets.get(key)
        if versions is None:
            return MISSING
        notes = {"max_versions": 0, "cas_required": False, "delete_version_after": "0s",
                 "custom_metadata": None, **self.notes.get(key, {})}  # fmt: skip
        listed = {str(number): {k: v for k, v in version.items() if k != "data"}
                  for number, version in enumerate(versions, 1)}  # fmt: skip
        return envelope({**notes, "created_time": TIME, "updated_time": TIME, "oldest_version": 0,
                         "current_version": len(versions), "versions": listed})  # fmt: skip

    def list(self, folder: str) -> Reply:
        prefix = folder.strip("/") + "/" if folder.strip("/") else ""
        inside = [key.removeprefix(prefix) for key in self.secrets if key.startswith(prefix)]
        names = sorted({name if "/" not in name else name.split("/")[0] + "/" for name in inside})
        return envelope({"keys": names}) if names else MISSING


class FakeVault:
    """The state behind the answers, and what was asked."""

    def __init__(self, *, initialised: bool) -> None:
        self.initialised, self.sealed, self.progress = initialised, not initialised, 0
        self.keys = Keys()
        self.policies = {"default": "# default", "root": ""}
        self.tokens: dict[str, dict[str, Any]] = {ROOT_TOKEN: _token("root", ["root"])}
        self.mounts = {"secret/": _mount("kv", {"version": "2"}), "sys/": _mount("system", None)}
        self.audit: dict[str, Any] = {}
        self.requests: list[dict[str, Any]] = []
        self.canned: dict[str, Reply] = {}
        self.redirect = ""  # where every request is sent on to

    def answer(
        self, method: str, path: str, query: dict[str, str], headers: Any, body: Any
    ) -> Reply:
        self.requests.append(
            {"method": method, "path": path, "query": query, "headers": dict(headers), "body": body}
        )
        if path in self.canned:
            return self.canned[path]
        if path in ("sys/seal-status", "sys/leader", "sys/init", "sys/unseal"):
            return self._lifecycle(method, path, body)
        if self.sealed:
            return 503, {"errors": ["Vault is sealed"]}
        caller = headers.get("X-Vault-Token", "")
        if caller not in self.tokens:
            return DENIED
        if query.get("list") == "true":
            method = "LIST"
        for pattern, handle in _ROUTES:
            found = re.fullmatch(pattern, path)
            if found:
                return handle(self, method, found.groups(), {**query, "caller": caller}, body or {})
        return 404, {"errors": [f'no handler for route "{path}". route entry not found.']}

    def _lifecycle(self, method: str, path: str, body: Any) -> Reply:
        if path == "sys/leader":
            return (
                (503, {"errors": ["Vault is sealed"]})
                if self.sealed
                else (200, {"ha_enabled": False})
            )
        if path == "sys/init":
            if method == "GET":
                return 200, {"initialized": self.initialised}
            if self.initialised:
                return 400, {"errors": ["Vault is already initialized"]}
            self.initialised = True
            keys = [*SHARES, "dGhpcmQ="]
            return 200, {"keys": keys, "keys_base64": keys, "root_token": ROOT_TOKEN}
        if path == "sys/unseal" and body.get("reset"):
            self.progress = 0
        elif path == "sys/unseal":
            self.progress += 1
            self.sealed, self.progress = self.progress < 2, self.progress % 2
        return 200, self.seal_status()

    def seal_status(self) -> dict[str, Any]:
        shares = 3 if self.initialised else 0
        status = {"type": "shamir", "initialized": self.initialised, "sealed": self.sealed,
                  "t": shares and 2, "n": shares, "progress": self.progress,
                  "nonce": "5f3f8b2c-1d3c-4c44-9d3e-b8d2b1f0f001" if self.progress else "",
                  "version": "0.1.0", "storage_type": "lmdb"}  # fmt: skip
        if self.sealed:
            return status
        return {**status, "cluster_name": "vault-cluster-0a1b2c3d",
                "cluster_id": "11111111-2222-4333-8444-555555555555"}  # fmt: skip

    def kv(self, method: str, parts: Any, query: dict[str, str], body: Any) -> Reply:
        verb, key = parts[0], (parts[1] or "").strip("/")
        if verb == "data":
            return self.keys.data(method, key, query, body)
        if verb == "metadata":
            return (
                self.keys.list(key) if method == "LIST" else self.keys.metadata(method, key, body)
            )
        return self.keys.change(verb, key, body)

    def preflight(self, _method: str, parts: Any, _query: Any, _body: Any) -> Reply:
        for path, mount in self.mounts.items():
            if f"{parts[0]}/".startswith(path):
                return envelope({"path": path, **mount})
        text = (
            "preflight capability check returned 403, please ensure client's policies grant"
            f' access to path "{parts[0]}/"'
        )
        return 403, {"errors": [text]}

    def policy(self, method: str, parts: Any, _query: Any, body: Any) -> Reply:
        name = parts[0] or ""
        if method == "LIST":
            return envelope({"keys": sorted(self.policies)})
        if method == "GET":
            text = self.policies.get(name)
            return MISSING if text is None else envelope({"name": name, "policy": text})
        if method == "DELETE":
            self.policies.pop(name, None)
        else:
            self.policies[name] = body["policy"]
        return DONE

    def create(self, _method: str, _parts: Any, _query: Any, body: Any) -> Reply:
        name = f"s.{len(self.tokens):024d}"
        policies = sorted({"default", *body.get("policies", [])})
        ttl = 3600 if body.get("ttl") == "1h" else 2764800
        self.tokens[name] = _token("token", policies, ttl=ttl) | {"meta": body.get("meta")}
        auth = {"client_token": name, "accessor": self.tokens[name]["accessor"],
                "policies": policies, "token_policies": policies, "metadata": body.get("meta"),
                "lease_duration": ttl, "renewable": True}  # fmt: skip
        return envelope(None, auth=auth)

    def token(self, _method: str, parts: Any, query: dict[str, str], body: Any) -> Reply:
        verb = parts[0]
        name = query["caller"] if verb.endswith("-self") else body.get("token", "")
        if verb.endswith("-accessor"):
            name = next(
                (t for t, e in self.tokens.items() if e["accessor"] == body["accessor"]), ""
            )
        entry = self.tokens.get(name)
        if verb.startswith("revoke"):
            self.tokens.pop(name, None)
            return DONE
        if entry is None:
            return 403, {"errors": ["bad token"]}
        if verb.startswith("lookup"):
            return envelope({**entry, "id": "" if verb.endswith("-accessor") else name})
        auth = {"client_token": name, "accessor": entry["accessor"], "policies": entry["policies"],
                "token_policies": entry["policies"], "metadata": entry["meta"],
                "lease_duration": body.get("increment", entry["ttl"]),
                "renewable": True}  # fmt: skip
        return envelope(None, auth=auth)

    def capabilities(self, _method: str, _parts: Any, _query: Any, body: Any) -> Reply:
        found = ["root"] if "token" not in body else ["deny"]
        return envelope({**dict.fromkeys(body["paths"], found), "capabilities": found})

    def mount(self, method: str, parts: Any, _query: Any, body: Any) -> Reply:
        path = (parts[0] or "") + "/"
        if method == "GET":
            return envelope(dict(self.mounts))
        if method == "DELETE":
            self.mounts.pop(path, None)
            return DONE
        if path in self.mounts:
            return 400, {"errors": [f"path is already in use at {path}"]}
        kind, options = body["type"], body["options"]
        if kind == "kv-v2":
            kind, options = "kv", {**options, "version": "2"}
        self.mounts[path] = _mount(kind, options) | {"description": body["description"]}
        return DONE

    def device(self, method: str, parts: Any, _query: Any, body: Any) -> Reply:
        path = (parts[0] or "") + "/"
        if method == "GET":
            return envelope(dict(self.audit))
        if method == "DELETE":
            self.audit.pop(path, None)
        else:
            self.audit[path] = {**body, "path": path}
        return DONE

    def operate(self, _method: str, parts: Any, _query: Any, _body: Any) -> Reply:
        if parts[0] == "seal":
            self.sealed = True
        if parts[0] == "key-status":
            return envelope({"term": 1, "install_time": TIME, "encryptions": 42})
        return DONE


def _token(display_name: str, policies: list[str], ttl: int = 0) -> dict[str, Any]:
    return {"accessor": f"acc{display_name}{ttl:015d}", "creation_time": 1795353290,
            "creation_ttl": ttl, "display_name": display_name, "entity_id": "",
            "expire_time": None, "explicit_max_ttl": 0, "issue_time": TIME, "meta": None,
            "num_uses": 0, "orphan": False, "path": "auth/token/create", "policies": policies,
            "renewable": ttl > 0, "ttl": ttl, "type": "service"}  # fmt: skip


def _mount(kind: str, options: dict[str, str] | None) -> dict[str, Any]:
    config = {"default_lease_ttl": 0, "max_lease_ttl": 0, "force_no_cache": False}
    return {"type": kind, "accessor": f"{kind}_0a1b2c3d", "description": "", "options": options,
            "config": config, "local": False, "seal_wrap": False,
            "uuid": "11111111-2222-4333-8444-555555555556"}  # fmt: skip


_ROUTES: tuple[tuple[str, Callable[..., Reply]], ...] = (
    (r"secret/(data|metadata|delete|undelete|destroy)(/.*)?", FakeVault.kv),
    (r"sys/internal/ui/mounts/(.+)", FakeVault.preflight),
    (r"sys/policies/acl(?:/(.+))?", FakeVault.policy),
    (r"auth/token/create", FakeVault.create),
    (r"auth/token/((?:lookup|renew|revoke)(?:-self|-accessor)?)", FakeVault.token),
    (r"sys/capabilities(?:-self)?", FakeVault.capabilities),
    (r"sys/mounts(?:/(.+))?", FakeVault.mount),
    (r"sys/audit(?:/(.+))?", FakeVault.device),
    (r"sys/(seal|rotate|key-status)", FakeVault.operate),
)


class Server(ThreadingHTTPServer):
    """The fake on a loopback port."""

    daemon_threads = True

    def __init__(self, vault: FakeVault) -> None:
        self.vault = vault
        super().__init__(("127.0.0.1", 0), Handler)

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    """Carries requests to the fake."""

    server: Server

    def handle_any(self) -> None:
        parts = urlsplit(self.path)
        raw = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        path = unquote(parts.path).removeprefix("/v1/")
        body = json.loads(raw) if raw else None
        status, answer = self.server.vault.answer(self.command, path, query, self.headers, body)
        content = b"" if answer is None else json.dumps(answer).encode()
        moved = self.server.vault.redirect
        self.send_response(307 if moved else status)
        if moved:
            self.send_header("Location", moved + self.path)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = handle_any  # noqa: N815 http.server finds them by these names
    do_PUT = handle_any  # noqa: N815 as above
    do_POST = handle_any  # noqa: N815 as above
    do_PATCH = handle_any  # noqa: N815 as above
    do_DELETE = handle_any  # noqa: N815 as above

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 the base class's name
        """Say nothing."""


def _served(vault: FakeVault) -> Iterator[Server]:
    server = Server(vault)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def server() -> Iterator[Server]:
    """A server that is initialised and unsealed."""
    yield from _served(FakeVault(initialised=True))


@pytest.fixture
def fresh_server() -> Iterator[Server]:
    """A server that was never initialised."""
    yield from _served(FakeVault(initialised=False))


@pytest.fixture
def root_token() -> str:
    """A token that may do everything at `server`."""
    return ROOT_TOKEN


@pytest.fixture
def cli(server: Server, tmp_path: Path) -> Callable[..., tuple[int, str, str]]:
    """`cli(*words, stdin=…, env=…)` runs a command against `server`: code, stdout, stderr."""

    def run_it(
        *words: str, stdin: str = "", env: dict[str, str] | None = None
    ) -> tuple[int, str, str]:
        base = {"HOME": str(tmp_path), "CUSTODY_ADDR": server.address, "CUSTODY_TOKEN": ROOT_TOKEN}
        out, err = io.StringIO(), io.StringIO()
        console = Console(io.StringIO(stdin), out, err, lambda _prompt: "never asked")
        code = run(words, Environment({**base, **(env or {})}), console)
        return code, out.getvalue(), err.getvalue()

    return run_it
