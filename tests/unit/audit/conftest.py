"""What the audit tests share: a caller, a read of a secret, and devices in a temporary folder."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from custody.audit.entry import RequestEntry
from custody.audit.record import Caller, Decision, Grant, Mount, Rule
from custody.audit.table import AuditTable, DeviceConfig

KEY = bytes(range(32))


@pytest.fixture
def caller() -> Caller:
    return Caller(
        id=b"i" * 32,
        accessor="accessor-1",
        display_name="token-app",
        policies=("app", "default"),
        token_policies=("app", "default"),
        metadata={"team": "blue"},
        entity_id="entity-1",
        token_type="service",
        token_ttl=3600,
        token_issue_time="2026-11-22T00:00:00Z",
        remaining_uses=3,
    )


@pytest.fixture
def mount() -> Mount:
    return Mount(point="secret/", type="kv", accessor="kv_1", running_version="v1")


@pytest.fixture
def decision() -> Decision:
    rule = Rule(policy="app", path="secret/data/*", line=3)
    return Decision(allowed=True, grants=(Grant(name="app"),), rule=rule)


@pytest.fixture
def request_entry(caller: Caller, mount: Mount, decision: Decision) -> RequestEntry:
    return RequestEntry(
        time_ns=1_795_000_000_123_456_789,
        id="request-1",
        operation="update",
        path="secret/data/app",
        client_token="planted-token",
        caller=caller,
        mount=mount,
        decision=decision,
        data={"data": {"password": "planted-secret", "port": 5432}, "note": "clear-note"},
        remote_address="127.0.0.1",
        remote_port=40000,
        wrap_ttl=60,
    )


@pytest.fixture
def file_table(tmp_path: Path) -> Callable[..., AuditTable]:
    """A table with one file device per name, each at `<name>.log`."""

    def make(*names: str, **options: str) -> AuditTable:
        return AuditTable(
            devices={
                f"{name}/": DeviceConfig(
                    type="file",
                    key=KEY,
                    options={"file_path": str(tmp_path / f"{name}.log"), **options},
                )
                for name in names
            }
        )

    return make


@pytest.fixture
def parsed() -> Callable[[Path], list[dict[str, Any]]]:
    """The records of a file; blank lines, which a write cut short leaves, are skipped."""

    def read(path: Path) -> list[dict[str, Any]]:
        return [json.loads(line) for line in path.read_bytes().split(b"\n") if line.strip()]

    return read
