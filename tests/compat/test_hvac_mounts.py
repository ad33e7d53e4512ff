"""hvac, unmodified: what its users do with mounts."""

from collections.abc import Iterator

import hvac  # type: ignore[import-untyped]  # it ships no types
import pytest
from hvac import exceptions
from tests.harness import Server


@pytest.fixture
def client(shared_node: Server) -> Iterator[hvac.Client]:
    """A client with the root token."""
    with_root = hvac.Client(url=shared_node.address, token=shared_node.token)
    yield with_root
    with_root.adapter.close()


def test_a_mount_is_tuned(client: hvac.Client) -> None:
    client.sys.enable_secrets_engine("kv", path="hm-tune", options={"version": "2"})
    client.sys.tune_mount_configuration(
        "hm-tune", default_lease_ttl="1h", max_lease_ttl="2h", description="tuned"
    )
    found = client.sys.read_mount_configuration("hm-tune")["data"]
    assert (found["default_lease_ttl"], found["max_lease_ttl"]) == (3600, 7200)
    assert found["description"] == "tuned"
    client.sys.disable_secrets_engine("hm-tune")
    with pytest.raises(exceptions.InvalidRequest, match="cannot fetch sysview"):
        client.sys.read_mount_configuration("hm-tune")


def test_a_mount_is_moved_with_its_data(client: hvac.Client) -> None:
    client.sys.enable_secrets_engine("kv", path="hm-old", options={"version": "2"})
    kv = client.secrets.kv.v2
    kv.create_or_update_secret("one", {"n": 1}, mount_point="hm-old")
    moved = client.sys.move_backend("hm-old", "hm/new")["data"]["migration_id"]
    info = client.read(f"sys/remount/status/{moved}")["data"]["migration_info"]
    assert info == {"source_mount": "hm-old/", "target_mount": "hm/new/", "status": "success"}
    with pytest.raises(exceptions.InvalidPath):
        kv.read_secret_version("one", mount_point="hm-old", raise_on_deleted_version=True)
    read = kv.read_secret_version("one", mount_point="hm/new", raise_on_deleted_version=True)
    assert read["data"]["data"] == {"n": 1}
    client.sys.disable_secrets_engine("hm/new")


def test_auth_mounts(client: hvac.Client) -> None:
    assert "token/" in client.sys.list_auth_methods()["data"]
    found = client.sys.read_auth_method_tuning("token")["data"]
    client.sys.tune_auth_method("token", description="tuned")
    tuned = client.sys.read_auth_method_tuning("token")["data"]
    assert tuned == found | {"description": "tuned"}
    with pytest.raises(exceptions.InvalidRequest, match="plugin not found in the catalog: nope"):
        client.sys.enable_auth_method("nope")
    assert client.sys.disable_auth_method("nope").status_code == 204
