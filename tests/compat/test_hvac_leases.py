"""hvac, unmodified: its calls for leases, on a server that has none yet."""

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


def test_leases_that_are_not_there(client: hvac.Client) -> None:
    with pytest.raises(exceptions.InvalidRequest, match="invalid lease"):
        client.sys.read_lease("database/creds/x/abc")
    with pytest.raises(exceptions.InvalidPath):
        client.sys.list_leases("database/creds/x")
    with pytest.raises(exceptions.InvalidRequest, match="lease not found"):
        client.sys.renew_lease("database/creds/x/abc")
    assert client.sys.revoke_lease("database/creds/x/abc").status_code == 204
    assert client.sys.revoke_prefix("database/creds/x").status_code == 204
    assert client.sys.revoke_force("database/creds/x").status_code == 204


def test_tokens_are_revoked_by_the_path_that_made_them(client: hvac.Client) -> None:
    client.auth.token.create_or_update_role("prefix", orphan=True)
    made = client.auth.token.create(role_name="prefix", policies=["default"])
    token = made["auth"]["client_token"]
    assert client.auth.token.lookup(token)["data"]["path"] == "auth/token/create/prefix"
    assert client.sys.revoke_prefix("auth/token/create/prefix").status_code == 204
    with pytest.raises(exceptions.Forbidden):
        client.auth.token.lookup(token)


def test_stepping_down(client: hvac.Client) -> None:
    assert client.sys.step_down().status_code == 204
