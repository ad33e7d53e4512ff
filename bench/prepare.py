"""Making a server that was just started ready to be measured, through its API alone."""

import secrets
import time
from collections.abc import Mapping
from dataclasses import replace
from importlib import metadata
from typing import Any

from tools.api import API, HEALTHY, UNINITIALISED, Refused

from bench.load import KEYS, OPEN_READ, READ, READ_V1, TOKEN, WRITE
from bench.targets import Target

_POLICY = """
path "secret/data/bench/*" { capabilities = ["create", "read", "update"] }
path "secret/metadata/bench/*" { capabilities = ["list"] }
path "plain/bench/*"       { capabilities = ["read"] }
path "auth/token/create"   { capabilities = ["update"] }
"""
_MOUNT_DEADLINE = 15.0  # seconds; OpenBao prepares a new KV v2 mount in the background


def prepare(target: Target) -> None:
    """Initialise, unseal, mount KV, write the secrets, and take an ordinary token.

    Raises NotReady, Refused, OSError, HTTPException.
    """
    if not target.is_vault:
        target.api.wait({HEALTHY}, target.process)
        return
    target.api.wait({UNINITIALISED}, target.process)
    keys = target.api.initialise()
    target.share = keys.share
    target.api.unseal(keys.share)
    target.api.wait({HEALTHY}, target.process)
    root = replace(target.api, token=keys.root_token)
    root.call("POST", "sys/mounts/secret", {"type": "kv", "options": {"version": "2"}})
    root.call("POST", "sys/mounts/plain", {"type": "kv", "options": {"version": "1"}})
    root.call("PUT", "sys/policies/acl/bench", {"policy": _POLICY})
    _write_secrets(root)
    made = root.call("POST", "auth/token/create", {"policies": ["bench"], "ttl": "2h"})
    target.api = replace(target.api, token=made["auth"]["client_token"])


def probe(target: Target, workload: str) -> None:
    """One request of the workload, whose answer is looked at. Raises Refused or ValueError."""
    if not target.is_vault:
        return
    if workload in (READ, OPEN_READ):
        found = target.api.call("GET", f"secret/data/bench/{KEYS - 1}")["data"]["data"]
        if set(found) != {"user", "password"}:
            raise ValueError(f"{target.name} answered a read with the fields {sorted(found)}")
    elif workload == READ_V1:
        found = target.api.call("GET", f"plain/bench/{KEYS - 1}")["data"]
        if set(found) != {"user", "password"}:
            raise ValueError(f"{target.name} answered a read with the fields {sorted(found)}")
    elif workload == WRITE:
        target.api.call("POST", "secret/data/bench/0", _secret())
    elif workload == TOKEN:
        target.api.call("POST", "auth/token/create", {"policies": ["bench"], "ttl": "1h"})


def version(target: Target) -> str:
    """What the server calls its version; of the bare listener, that of the HTTP server."""
    if not target.is_vault:
        return f"granian {metadata.version('granian')}"
    return str(target.api.call("GET", "sys/health")["version"])


def _write_secrets(root: API) -> None:
    deadline = time.monotonic() + _MOUNT_DEADLINE
    while True:
        try:
            root.call("POST", "secret/data/bench/0", _secret())
            break
        except Refused:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
    for key in range(1, KEYS):
        root.call("POST", f"secret/data/bench/{key}", _secret())
    for key in range(KEYS):
        root.call("POST", f"plain/bench/{key}", _secret()["data"])


def _secret() -> Mapping[str, Any]:
    return {"data": {"user": secrets.token_hex(4), "password": secrets.token_hex(12)}}
