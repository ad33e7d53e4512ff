"""A store with something of everything in it, and what must be true of every answer from it.

Nothing sweeps or expires while a test looks: a scene is only read.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.crash.flips import digest, dump
from tests.harness import open_store

from custody.base.clock import SystemClock
from custody.testing.server import MemoryServer

SECRETS = 6
_NARROW = """
path "secret/data/open/*"      { capabilities = ["read"] }
path "secret/data/open/closed" { capabilities = ["deny"] }
path "secret/metadata/open/"   { capabilities = ["list"] }
"""
_FULL = 'path "*" { capabilities = ["create", "read", "update", "delete", "list"] }'
_DENY = 'path "*" { capabilities = ["deny"] }'

# (method, path, token, body) → (status, decoded body or None)
Call = Callable[[str, str, str, object], Awaitable[tuple[int, Any]]]


@dataclass(slots=True)
class Scene:
    """What was written, and who may read it."""

    digest: str = ""  # of the rows
    shares: list[str] = field(default_factory=list)
    root: str = ""
    narrow: str = ""  # a token that may read and list secret/open/, but not secret/open/closed
    dead: dict[str, str] = field(default_factory=dict)  # tokens that open nothing, by the reason
    secrets: dict[str, dict[str, Any]] = field(default_factory=dict)  # by path of the request
    names: dict[str, list[str]] = field(default_factory=dict)  # of lists, by path of the request


def make(data: Path) -> Scene:
    """Write a scene to a new data directory."""

    async def run() -> Scene:
        store = open_store(data)
        scene = Scene()
        async with MemoryServer(clock=SystemClock(), store=store) as server:
            scene.shares, scene.root = server.shares, server.root_token
            await _write_secrets(server, scene)
            await _write_tokens(server, scene)
        await store.close()
        store = open_store(data)
        scene.digest = digest(dump(store))
        await store.close()
        return scene

    return asyncio.run(run())


class Wrong(AssertionError):
    """The server said what was not written, or to whom it must not."""


async def look(scene: Scene, call: Call) -> int:
    """Ask for everything; how many answers were refused with 5xx. Raises Wrong."""
    refused = 0
    for path, data in scene.secrets.items():
        status, body = await call("GET", path, scene.root, None)
        if status < 400 and body["data"]["data"] != data:
            raise Wrong(f"{path}: {body}")
        refused += status >= 500
    for path, names in scene.names.items():
        status, body = await call("LIST", path, scene.root, None)
        if status < 400 and not set(body["data"]["keys"]) <= set(names):
            raise Wrong(f"{path}: {body}")
        refused += status >= 500
    for method, path, token, why in _forbidden(scene):
        sent = {"data": {"value": "forged"}} if method == "POST" else None
        status, _ = await call(method, path, token, sent)
        if status < 400:
            raise Wrong(f"{method} {path} was allowed: {why}")
        refused += status >= 500
    return refused


def within(server: MemoryServer) -> Call:
    """How to ask a server in memory."""

    async def call(method: str, path: str, token: str, body: object) -> tuple[int, Any]:
        answer = await server.call(method, path, token=token, body=body)
        return answer.status, answer.json if answer.body else None

    return call


def _forbidden(scene: Scene) -> list[tuple[str, str, str, str]]:
    """Requests (method, path, token) that nobody may be allowed, and why."""
    return [
        *(("GET", "secret/data/open/s0", token, why) for why, token in scene.dead.items()),
        *(("GET", "auth/token/lookup-self", scene.dead[why], why) for why in ("child", "swept")),
        ("GET", "secret/data/open/closed", scene.narrow, "a rule denies it"),
        ("GET", "second/data/deep/er/s0", scene.narrow, "no rule allows it"),
        ("POST", "secret/data/open/s0", scene.narrow, "the rule only reads"),
        ("GET", "sys/policies/acl/narrow", scene.narrow, "no rule allows it"),
        ("GET", "secret/data/open/s0", "", "there is no token"),
        ("GET", "gone/data/left", scene.root, "the mount is disabled"),
        ("GET", "secret/data/open/s1?version=1", scene.root, "the version is deleted"),
        ("GET", "secret/data/open/s2?version=2", scene.root, "the version is destroyed"),
    ]


async def _write_secrets(server: MemoryServer, scene: Scene) -> None:
    for mount in ("second", "gone"):
        await server.mount(mount, "kv-v2")
    for number in range(SECRETS):
        for path in (f"secret/data/open/s{number}", f"second/data/deep/er/s{number}"):
            for version in range(1, 4):
                scene.secrets[path] = {"value": f"{path} {version}", "number": version}
                await _ask(server, 200, "POST", path, {"data": scene.secrets[path]})
    for path in ("secret/data/open/closed", "gone/data/left"):
        await _ask(server, 200, "POST", path, {"data": {"value": path}})
    await _ask(server, 204, "POST", "secret/delete/open/s1", {"versions": [1]})
    await _ask(server, 204, "POST", "secret/destroy/open/s2", {"versions": [2]})
    await _ask(server, 204, "DELETE", "sys/mounts/gone")
    numbered = [f"s{number}" for number in range(SECRETS)]
    scene.names = {
        "secret/metadata/open/": ["closed", *numbered],
        "second/metadata/deep/er/": numbered,
        "second/metadata/": ["deep/"],
        "sys/policies/acl": ["default", "full", "narrow", "root", "tightened"],
    }


async def _write_tokens(server: MemoryServer, scene: Scene) -> None:
    for name, text in (("narrow", _NARROW), ("full", _FULL), ("tightened", _FULL)):
        await _ask(server, 204, "PUT", f"sys/policies/acl/{name}", {"policy": text})
    scene.narrow = await _token(server, "narrow")
    alone, swept, parent = [await _token(server, "full") for _ in range(3)]
    child = await _token(server, "full", parent)
    scene.dead = {
        "revoked": alone,
        "swept": swept,
        "parent": parent,
        "child": child,
        "grandchild": await _token(server, "full", child),
        "tightened": await _token(server, "tightened"),
        "no such policy": await _token(server, "removed"),
    }
    await _ask(server, 204, "PUT", "sys/policies/acl/tightened", {"policy": _DENY})
    for token in (alone, swept, parent):  # the marks of the first and last stay
        await _ask(server, 204, "POST", "auth/token/revoke", {"token": token})


async def _token(server: MemoryServer, policy: str, parent: str = "") -> str:
    body = {"policies": [policy], "no_default_policy": True}
    answer = await server.expect(
        200, "POST", "auth/token/create", token=parent or server.root_token, body=body
    )
    return str(answer.json["auth"]["client_token"])


async def _ask(
    server: MemoryServer, status: int, method: str, path: str, body: object = None
) -> None:
    await server.expect(status, method, path, token=server.root_token, body=body)
