"""hvac, unmodified, against a real server: what its users do with system, token and KV calls."""

import json
from collections.abc import Iterator
from typing import Any

import hvac  # type: ignore[import-untyped]  # it ships no types
import pytest
from hvac import exceptions
from tests.harness import Server

_POLICY = """
path "secret/data/app/*" { capabilities = ["create", "read", "update", "patch", "delete"] }
path "secret/metadata/*" { capabilities = ["read", "list"] }
path "auth/token/create" { capabilities = ["update"] }
"""


@pytest.fixture
def client(shared_node: Server) -> Iterator[hvac.Client]:
    """A client with the root token."""
    with_root = hvac.Client(url=shared_node.address, token=shared_node.token)
    yield with_root
    with_root.adapter.close()


@pytest.fixture
def fresh(new_node: Server) -> Iterator[hvac.Client]:
    """A client of a server that was never initialised."""
    one = hvac.Client(url=new_node.address)
    yield one
    one.adapter.close()


def test_a_server_is_initialised_unsealed_and_sealed(fresh: hvac.Client) -> None:
    assert not fresh.sys.is_initialized()
    assert fresh.sys.is_sealed()
    assert fresh.sys.read_health_status(method="GET").status_code == 501
    made = fresh.sys.initialize(secret_shares=3, secret_threshold=2)
    assert len(made["keys"]) == len(made["keys_base64"]) == 3
    assert fresh.sys.is_initialized()
    status = fresh.sys.submit_unseal_key(made["keys"][0])
    assert (status["sealed"], status["progress"], status["t"], status["n"]) == (True, 1, 2, 3)
    assert fresh.sys.submit_unseal_key(reset=True)["progress"] == 0
    assert not fresh.sys.submit_unseal_keys(made["keys_base64"][1:])["sealed"]
    fresh.token = made["root_token"]
    assert fresh.is_authenticated()
    assert fresh.sys.read_health_status(method="HEAD").status_code == 200
    assert fresh.sys.seal().status_code == 204
    assert fresh.sys.is_sealed()
    with pytest.raises(exceptions.VaultDown):
        fresh.secrets.kv.v2.read_secret_version("app", raise_on_deleted_version=True)


def test_health_leader_key_status_and_rotation(client: hvac.Client) -> None:
    assert client.sys.read_health_status(method="GET")["initialized"] is True
    assert client.sys.read_leader_status()["ha_enabled"] is False
    term = client.sys.get_encryption_key_status()["data"]["term"]
    client.sys.rotate_encryption_key()
    assert client.sys.get_encryption_key_status()["data"]["term"] == term + 1


def test_mounts_are_enabled_listed_and_disabled(client: hvac.Client) -> None:
    client.sys.enable_secrets_engine("kv", path="hv", description="d", options={"version": "2"})
    listed = client.sys.list_mounted_secrets_engines()["data"]
    assert listed["hv/"]["type"] == "kv"
    assert listed["hv/"]["options"] == {"version": "2"}
    client.sys.disable_secrets_engine("hv")
    assert "hv/" not in client.sys.list_mounted_secrets_engines()["data"]


def test_policies_in_both_spellings(client: hvac.Client) -> None:
    client.sys.create_or_update_policy("hv-old", _POLICY)
    assert client.sys.read_policy("hv-old")["data"]["rules"] == _POLICY
    client.sys.create_or_update_acl_policy("hv-new", policy=_POLICY)
    assert client.sys.read_acl_policy("hv-new")["data"]["policy"] == _POLICY
    assert {"hv-old", "hv-new"} <= set(client.sys.list_policies()["data"]["policies"])
    assert {"hv-old", "hv-new"} <= set(client.sys.list_acl_policies()["data"]["keys"])
    as_json = {"path": {"secret/data/x": {"capabilities": ["read"]}}}
    client.sys.create_or_update_policy("hv-old", as_json)
    assert json.loads(client.sys.read_policy("hv-old")["data"]["rules"]) == as_json
    client.sys.delete_policy("hv-old")
    client.sys.delete_acl_policy("hv-new")
    with pytest.raises(exceptions.InvalidPath):
        client.sys.read_policy("hv-old")


def test_audit_devices(client: hvac.Client, shared_node: Server) -> None:
    path = str(shared_node.directory / "second.log")
    client.sys.enable_audit_device("file", path="second", options={"file_path": path})
    assert "second/" in client.sys.list_enabled_audit_devices()["data"]
    hashed = client.sys.calculate_hash("second", "text")["data"]["hash"]
    assert hashed.startswith("hmac-sha256:")
    client.sys.disable_audit_device("second")
    assert "second/" not in client.sys.list_enabled_audit_devices()["data"]


def test_capabilities(client: hvac.Client) -> None:
    token = _token(client, "hv-cap")
    asked = ["secret/data/app/one", "sys/mounts"]
    found = client.sys.get_capabilities(asked, token=token)["data"]
    assert set(found["secret/data/app/one"]) >= {"create", "read", "update", "delete"}
    assert found["sys/mounts"] == ["deny"]
    assert client.sys.get_capabilities(["sys/mounts"])["data"]["sys/mounts"] == ["root"]


def test_a_tokens_life(client: hvac.Client) -> None:
    tokens = client.auth.token
    made = tokens.create(
        policies=[_policy(client, "hv-life")], ttl="1h", meta={"for": "hv"}, display_name="hv"
    )["auth"]
    token, accessor = made["client_token"], made["accessor"]
    assert made["lease_duration"] == 3600
    looked = tokens.lookup(token)["data"]
    assert (looked["meta"], looked["display_name"]) == ({"for": "hv"}, "token-hv")
    assert tokens.lookup_accessor(accessor)["data"]["id"] == ""
    assert accessor in tokens.list_accessors()["data"]["keys"]
    assert tokens.renew(token, increment="2h")["auth"]["lease_duration"] == 7200
    assert tokens.renew_accessor(accessor)["auth"]["renewable"] is True
    own = hvac.Client(url=client.url, token=token)
    assert own.lookup_token()["data"]["id"] == token
    assert own.auth.token.renew_self(increment=60)["auth"]["client_token"] == token
    child = own.auth.token.create()["auth"]["client_token"]
    tokens.revoke(token)
    assert not own.is_authenticated()
    own.token = child
    assert not own.is_authenticated()
    own.adapter.close()
    with pytest.raises(exceptions.Forbidden):
        tokens.lookup(token)


def test_tokens_end_by_accessor_by_themselves_and_leave_orphans(client: hvac.Client) -> None:
    tokens = client.auth.token
    made = tokens.create(policies=["default"])["auth"]
    tokens.revoke_accessor(made["accessor"])
    with pytest.raises(exceptions.InvalidRequest, match="invalid accessor"):
        tokens.lookup_accessor(made["accessor"])
    orphan = tokens.create_orphan(policies=["root"])["auth"]["client_token"]
    own = hvac.Client(url=client.url, token=orphan)
    child = own.auth.token.create(policies=["default"])["auth"]["client_token"]
    tokens.revoke_and_orphan_children(orphan)
    assert tokens.lookup(child)["data"]["orphan"] is True
    own.token = child
    own.auth.token.revoke_self()
    assert not own.is_authenticated()
    own.logout()
    own.adapter.close()


def test_roles_say_what_their_tokens_may_be(client: hvac.Client) -> None:
    tokens = client.auth.token
    tokens.create_or_update_role(
        "hv-role",
        allowed_policies=["hv-a", "hv-b"],
        orphan=True,
        path_suffix="suffix",
        token_period="30m",
        token_explicit_max_ttl="2h",
    )
    bound = {"token_bound_cidrs": ["127.0.0.0/8"]}
    client.write_data("auth/token/roles/hv-role", data=bound)
    role = tokens.read_role("hv-role")["data"]
    assert role["allowed_policies"] == ["hv-a", "hv-b"]
    assert (role["token_period"], role["token_explicit_max_ttl"]) == (1800, 7200)
    assert "hv-role" in tokens.list_roles()["data"]["keys"]
    made = tokens.create(role_name="hv-role")["auth"]
    assert made["policies"] == ["default", "hv-a", "hv-b"]
    assert (made["lease_duration"], made["orphan"]) == (1800, True)
    looked = tokens.lookup(made["client_token"])["data"]
    assert looked["path"] == "auth/token/create/hv-role/suffix"
    assert (looked["role"], looked["bound_cidrs"]) == ("hv-role", ["127.0.0.0/8"])
    with pytest.raises(exceptions.InvalidRequest, match="must be subset of the role's"):
        tokens.create(role_name="hv-role", policies=["hv-c"])
    tokens.delete_role("hv-role")
    with pytest.raises(exceptions.InvalidPath):
        tokens.read_role("hv-role")
    with pytest.raises(exceptions.InvalidRequest, match="not renewing"):
        tokens.renew(made["client_token"])


def test_a_batch_token_is_used_and_not_kept(client: hvac.Client) -> None:
    tokens = client.auth.token
    parent = tokens.create(policies=[_policy(client, "hv-batch")])["auth"]["client_token"]
    own = hvac.Client(url=client.url, token=parent)
    batch = own.auth.token.create(policies=["hv-batch"], type="batch", ttl="1h")["auth"]
    assert (batch["token_type"], batch["accessor"]) == ("batch", "")
    own.token = batch["client_token"]
    kv = own.secrets.kv.v2
    kv.create_or_update_secret("app/batch", {"user": "u"})
    assert _read(kv, "app/batch") == {"user": "u"}
    assert own.lookup_token()["data"]["type"] == "batch"
    with pytest.raises(exceptions.InvalidRequest, match="batch tokens cannot be renewed"):
        tokens.renew(batch["client_token"])
    with pytest.raises(exceptions.InvalidRequest, match="batch tokens cannot be revoked"):
        tokens.revoke(batch["client_token"])
    tokens.revoke(parent)
    assert not own.is_authenticated()
    own.adapter.close()


def test_tokens_are_tidied_when_asked(client: hvac.Client) -> None:
    assert client.auth.token.tidy().status_code == 202


def test_a_narrow_token_may_do_what_its_policy_says(client: hvac.Client) -> None:
    narrow = hvac.Client(url=client.url, token=_token(client, "hv-narrow"))
    kv = narrow.secrets.kv.v2
    kv.create_or_update_secret("app/one", {"user": "u"})
    assert kv.read_secret_version("app/one", raise_on_deleted_version=True)["data"]["data"] == {
        "user": "u"
    }
    with pytest.raises(exceptions.Forbidden):
        kv.create_or_update_secret("elsewhere", {"user": "u"})
    with pytest.raises(exceptions.Forbidden):
        narrow.sys.list_mounted_secrets_engines()
    narrow.adapter.close()


@pytest.mark.filterwarnings("ignore:The raise_on_deleted_version:DeprecationWarning")  # its own
def test_versions_of_a_secret(client: hvac.Client) -> None:
    kv = client.secrets.kv.v2
    for number in range(1, 4):
        written = kv.create_or_update_secret("hv/one", {"n": number}, cas=number - 1)
        assert written["data"]["version"] == number
    with pytest.raises(exceptions.InvalidRequest, match="check-and-set"):
        kv.create_or_update_secret("hv/one", {"n": 9}, cas=1)
    assert _read(kv, "hv/one") == {"n": 3}
    assert _read(kv, "hv/one", version=1) == {"n": 1}
    kv.patch("hv/one", {"more": "x"})
    assert _read(kv, "hv/one") == {"n": 3, "more": "x"}
    assert kv.read_secret_metadata("hv/one")["data"]["current_version"] == 4
    assert kv.list_secrets("hv")["data"]["keys"] == ["one"]


def test_deleting_undeleting_and_destroying(client: hvac.Client) -> None:
    kv = client.secrets.kv.v2
    for number in range(3):
        kv.create_or_update_secret("hv/gone", {"n": number})
    kv.delete_latest_version_of_secret("hv/gone")
    with pytest.raises(exceptions.InvalidPath):
        _read(kv, "hv/gone")
    shown = kv.read_secret_version("hv/gone", raise_on_deleted_version=False)
    assert shown["data"]["metadata"]["deletion_time"]
    kv.undelete_secret_versions("hv/gone", [3])
    assert _read(kv, "hv/gone") == {"n": 2}
    kv.delete_secret_versions("hv/gone", [1])
    kv.destroy_secret_versions("hv/gone", [2])
    versions = kv.read_secret_metadata("hv/gone")["data"]["versions"]
    assert versions["1"]["deletion_time"]
    assert versions["2"]["destroyed"] is True
    kv.delete_metadata_and_all_versions("hv/gone")
    with pytest.raises(exceptions.InvalidPath):
        kv.read_secret_metadata("hv/gone")


def test_settings_of_a_mount_and_of_a_secret(client: hvac.Client) -> None:
    client.sys.enable_secrets_engine("kv", path="hv-set", options={"version": "2"})
    kv = client.secrets.kv.v2
    kv.configure(max_versions=2, cas_required=True, mount_point="hv-set")
    config = kv.read_configuration(mount_point="hv-set")["data"]
    assert (config["max_versions"], config["cas_required"]) == (2, True)
    with pytest.raises(exceptions.InvalidRequest, match="check-and-set"):
        kv.create_or_update_secret("one", {"n": 0}, mount_point="hv-set")
    for number in range(3):
        kv.create_or_update_secret("one", {"n": number}, cas=number, mount_point="hv-set")
    kv.update_metadata(
        "one", custom_metadata={"owner": "me"}, delete_version_after="1h", mount_point="hv-set"
    )
    metadata = kv.read_secret_metadata("one", mount_point="hv-set")["data"]
    assert sorted(metadata["versions"]) == ["2", "3"]
    assert metadata["custom_metadata"] == {"owner": "me"}
    assert metadata["delete_version_after"] == "1h0m0s"
    client.sys.disable_secrets_engine("hv-set")


def test_secrets_without_versions(client: hvac.Client) -> None:
    client.sys.enable_secrets_engine("kv", path="hv-v1", options={"version": "1"})
    listed = client.sys.list_mounted_secrets_engines()["data"]["hv-v1/"]
    assert (listed["type"], listed["options"]) == ("kv", {"version": "1"})
    kv = client.secrets.kv.v1
    kv.create_or_update_secret("team/app", {"user": "u", "n": 1}, mount_point="hv-v1")
    found = kv.read_secret("team/app", mount_point="hv-v1")
    assert found["data"] == {"user": "u", "n": 1}
    assert (found["lease_id"], found["lease_duration"]) == ("", 2_764_800)
    kv.create_or_update_secret("team/app", {"ttl": "90s"}, method="PUT", mount_point="hv-v1")
    assert kv.read_secret("team/app", mount_point="hv-v1")["lease_duration"] == 90
    assert kv.list_secrets("", mount_point="hv-v1")["data"]["keys"] == ["team/"]
    assert kv.list_secrets("team", mount_point="hv-v1")["data"]["keys"] == ["app"]
    kv.delete_secret("team/app", mount_point="hv-v1")
    with pytest.raises(exceptions.InvalidPath):
        kv.read_secret("team/app", mount_point="hv-v1")
    client.sys.disable_secrets_engine("hv-v1")


def test_every_spelling_of_a_store_without_versions(client: hvac.Client) -> None:
    for number, (kind, options, shown) in enumerate(
        [("kv", None, "kv"), ("kv-v1", None, "kv"), ("generic", None, "generic")]
    ):
        path = f"hv-old{number}"
        client.sys.enable_secrets_engine(kind, path=path, options=options)
        assert client.sys.list_mounted_secrets_engines()["data"][f"{path}/"]["type"] == shown
        client.write_data(f"{path}/x", data={"a": "1"})
        read = client.read(f"{path}/x")
        assert read is not None
        assert read["data"] == {"a": "1"}
        client.sys.disable_secrets_engine(path)
    with pytest.raises(exceptions.InvalidRequest, match="KV has no version 7"):
        client.sys.enable_secrets_engine("kv", path="hv-old", options={"version": "7"})


def test_a_cubbyhole_is_its_tokens_own(client: hvac.Client) -> None:
    own = hvac.Client(url=client.url, token=_token(client, "hv-cubby"))
    own.write_data("cubbyhole/a/b", data={"mine": "yes"})
    read = own.read("cubbyhole/a/b")
    assert read is not None
    assert read["data"] == {"mine": "yes"}
    listed = own.list("cubbyhole")
    assert listed is not None
    assert listed["data"]["keys"] == ["a/"]
    assert client.read("cubbyhole/a/b") is None
    own.delete("cubbyhole/a/b")
    assert own.read("cubbyhole/a/b") is None
    own.adapter.close()


def test_answers_are_wrapped_and_unwrapped(client: hvac.Client) -> None:
    wrapped = client.sys.wrap(payload={"a": "1"}, ttl=60)["wrap_info"]
    assert (wrapped["ttl"], wrapped["creation_path"]) == (60, "sys/wrapping/wrap")
    assert client.sys.unwrap(wrapped["token"])["data"] == {"a": "1"}
    with pytest.raises(exceptions.InvalidRequest, match="wrapping token is not valid"):
        client.sys.unwrap(wrapped["token"])
    made = client.auth.token.create(policies=["default"], wrap_ttl="5m")
    assert made["auth"] is None
    inside = hvac.Client(url=client.url, token=made["wrap_info"]["token"])
    auth = inside.sys.unwrap()["auth"]
    assert auth["accessor"] == made["wrap_info"]["wrapped_accessor"]
    inside.token = auth["client_token"]
    assert inside.is_authenticated()
    inside.adapter.close()


def test_a_wrapping_token_in_the_form_of_a_jwt(client: hvac.Client) -> None:
    headers = {"X-Vault-Wrap-TTL": "60", "X-Vault-Wrap-Format": "jwt"}
    answer = client.adapter.post("/v1/sys/wrapping/wrap", json={"c": "3"}, headers=headers)
    wrapped = answer["wrap_info"]["token"]
    assert wrapped.count(".") == 2
    assert client.sys.unwrap(wrapped)["data"] == {"c": "3"}


def test_wrapping_tokens_are_looked_up_and_moved(client: hvac.Client) -> None:
    first = client.write_data("sys/wrapping/wrap", data={"b": "2"}, wrap_ttl="90s")["wrap_info"]
    shown = {"token": first["token"]}
    looked = client.write_data("sys/wrapping/lookup", data=shown)["data"]
    assert (looked["creation_ttl"], looked["creation_path"]) == (90, "sys/wrapping/wrap")
    second = client.write_data("sys/wrapping/rewrap", data=shown)["wrap_info"]
    assert second["ttl"] == 90
    assert client.sys.unwrap(second["token"])["data"] == {"b": "2"}
    with pytest.raises(exceptions.InvalidRequest):
        client.sys.unwrap(first["token"])


def test_the_generic_calls(client: hvac.Client) -> None:
    client.write_data("secret/data/hv/raw", data={"data": {"a": "1"}})
    read = client.read("secret/data/hv/raw")
    assert read is not None
    assert read["data"]["data"] == {"a": "1"}
    listed = client.list("secret/metadata/hv")
    assert listed is not None
    assert "raw" in listed["data"]["keys"]
    client.delete("secret/metadata/hv/raw")
    assert client.read("secret/data/hv/raw") is None


def _policy(client: hvac.Client, name: str) -> str:
    client.sys.create_or_update_policy(name, _POLICY)
    return name


def _token(client: hvac.Client, name: str) -> str:
    made = client.auth.token.create(policies=[_policy(client, name)])
    return str(made["auth"]["client_token"])


def _read(kv: Any, path: str, version: int | None = None) -> Any:
    found = kv.read_secret_version(path, version=version, raise_on_deleted_version=True)
    return found["data"]["data"]
