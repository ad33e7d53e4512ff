"""hvac, unmodified: its calls for snapshots of Raft storage."""

import io
import time

import hvac  # type: ignore[import-untyped]  # it ships no types
import pytest
from hvac import exceptions
from tests.harness import Server


def test_a_snapshot_is_taken_and_restored(node: Server) -> None:
    client = hvac.Client(url=node.address, token=node.token)
    kv = client.secrets.kv.v2
    kv.create_or_update_secret("one", {"n": 1})
    taken = client.sys.take_raft_snapshot()
    assert taken.status_code == 200
    assert taken.headers["Content-Type"] == "application/gzip"
    kv.create_or_update_secret("one", {"n": 2})
    with pytest.raises(exceptions.InvalidRequest, match="cut short"):
        client.sys.restore_raft_snapshot(taken.content[:-100])
    assert client.sys.restore_raft_snapshot(taken.content).status_code == 204
    deadline = time.monotonic() + 20
    while True:
        try:
            read = kv.read_secret_version("one", raise_on_deleted_version=True)
        except (exceptions.VaultError, OSError):
            read = None
        if read is not None and read["data"]["data"] == {"n": 1}:
            break
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert client.sys.force_restore_raft_snapshot(io.BytesIO(taken.content)).status_code == 204
    client.adapter.close()
