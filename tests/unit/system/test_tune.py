"""Tuning a mount: every key, what takes effect, and what cannot be."""

from typing import Any

import pytest

from custody.plugin.request import Reply, Request
from custody.plugin.route import Engine, Op, Route, reads
from custody.testing.server import MemoryServer


def answer(_request: Request, _rows: Any) -> Reply:
    """Something."""
    return Reply(data={"x": 1})


METHOD = Engine(
    "method",
    (Route("x", {Op.READ: reads(answer)}, help="Something."),),
    help="A method.",
    auth=True,
)


async def test_a_mount_that_was_never_tuned_shows_what_takes_effect() -> None:
    async with MemoryServer() as server:
        path = "sys/mounts/secret/tune"
        found = (await server.expect(200, "GET", path, token=server.root_token)).json
        assert found["data"] == {
            "default_lease_ttl": 2_764_800,
            "max_lease_ttl": 2_764_800,
            "description": "",
            "force_no_cache": False,
            "options": {"version": "2"},
        }
        assert found["max_lease_ttl"] == 2_764_800  # beside the envelope, too


async def test_every_key_is_tuned_and_what_is_not_named_stays() -> None:
    async with MemoryServer() as server:
        root = server.root_token
        given = {
            "default_lease_ttl": "1h",
            "max_lease_ttl": 7200,
            "description": "new",
            "force_no_cache": True,
            "listing_visibility": "unauth",
            "audit_non_hmac_request_keys": "a,b",
            "audit_non_hmac_response_keys": ["c"],
            "passthrough_request_headers": ["X-A"],
            "allowed_response_headers": ["X-B"],
            "options": {"more": "1"},
        }
        await server.expect(204, "POST", "sys/mounts/secret/tune", token=root, body=given)
        shown = {
            **given,
            "default_lease_ttl": 3600,
            "audit_non_hmac_request_keys": ["a", "b"],
            "options": {"version": "2", "more": "1"},
        }
        path = "sys/mounts/secret/tune"
        assert (await server.expect(200, "GET", path, token=root)).data == shown
        await server.expect(204, "POST", path, token=root, body={"max_lease_ttl": "system"})
        shown["max_lease_ttl"] = 2_764_800
        assert (await server.expect(200, "GET", path, token=root)).data == shown
        mount = (await server.expect(200, "GET", "sys/mounts/secret", token=root)).data
        assert mount["description"] == "new"
        config = mount["config"]
        assert (config["default_lease_ttl"], config["max_lease_ttl"]) == (3600, 0)
        await server.expect(200, "POST", "secret/data/a", token=root, body={"data": {"a": 1}})


@pytest.mark.parametrize(
    ("path", "body", "text"),
    [
        ("nope", {"max_lease_ttl": "1h"}, 'tune of path "nope/" failed: no mount entry found'),
        ("secret", {"default_lease_ttl": "2h", "max_lease_ttl": "30m"},
         "backend max lease TTL of 1800 would be less than backend default lease TTL of 7200"),
        ("secret", {"listing_visibility": "bad"}, "invalid listing_visibility bad"),
        ("secret", {"token_type": "batch"}, "'token_type' can only be modified on auth mounts"),
        ("secret", {"max_lease_ttl": "x"}, 'time: invalid duration "x"'),
        ("secret", {"options": {"version": "9"}}, "invalid version provided: 9"),
        ("secret", {"options": {"version": "1"}}, "cannot downgrade mount from version 2"),
        ("secret", {"user_lockout_config": {"lockout_threshold": "3"}},
         'tuning of user lockout configuration for auth type "kv" not allowed'),
        ("secret", {"plugin_version": "v1.2.3"},
         "plugin not found in the catalog: kv, version=v1.2.3"),
        ("sys", {"description": "x"}, "cannot tune parameter description of sys/"),
        ("sys", {"max_lease_ttl": "1h"}, "cannot tune parameter max_lease_ttl of sys/"),
        ("sys", {"options": {"version": "2"}}, "cannot tune parameter options of sys/"),
        ("sys", {"token_type": "batch"}, "cannot tune parameter token_type of sys/"),
        ("cubbyhole", {"options": {}}, "cannot tune parameter options of cubbyhole/"),
        ("cubbyhole", {"plugin_version": "v1"},
         "cannot tune parameter plugin_version of cubbyhole/"),
        ("cubbyhole", {"passthrough_request_headers": ["a"]},
         "cannot tune parameter passthrough_request_headers of cubbyhole/"),
        ("auth/token", {"options": {"version": "2"}},
         'singleton plugin cannot be reloaded: "token"'),
        ("auth/token", {"token_type": "service"},
         "'token_type' cannot be set for 'token' or 'ns_token' auth mounts"),
    ],
)  # fmt: skip
async def test_what_cannot_be_tuned_says_why(path: str, body: dict[str, object], text: str) -> None:
    async with MemoryServer() as server:
        root = server.root_token
        answer = await server.expect(400, "POST", f"sys/mounts/{path}/tune", token=root, body=body)
        assert answer.errors == [text]


async def test_the_token_mount_is_tuned_and_new_tokens_live_as_it_says() -> None:
    async with MemoryServer() as server:
        root = server.root_token
        body = {"default_lease_ttl": "10m", "max_lease_ttl": "1h", "description": "short"}
        await server.expect(204, "POST", "sys/auth/token/tune", token=root, body=body)
        found = (await server.expect(200, "GET", "sys/auth/token/tune", token=root)).data
        assert (found["default_lease_ttl"], found["max_lease_ttl"]) == (600, 3600)
        assert found["token_type"] == "default-service"
        assert "options" not in found
        asked = {"policies": ["default"]}
        made = await server.expect(200, "POST", "auth/token/create", token=root, body=asked)
        assert made.json["auth"]["lease_duration"] == 600
        await server.expect(400, "GET", "sys/mounts/nope/tune", token=root)


async def test_an_auth_mount_is_tuned_by_both_its_paths() -> None:
    async with MemoryServer(METHOD) as server:
        root = server.root_token
        await server.expect(204, "POST", "sys/auth/m", token=root, body={"type": "method"})
        body: dict[str, object] = {
            "token_type": "batch",
            "user_lockout_config": {"lockout_threshold": "7", "lockout_duration": "10m",
                                    "lockout_disable": True},
        }  # fmt: skip
        await server.expect(204, "POST", "sys/mounts/auth/m/tune", token=root, body=body)
        found = (await server.expect(200, "GET", "sys/auth/m/tune", token=root)).data
        assert found["token_type"] == "batch"
        lockout = {
            "user_lockout_threshold": 7,
            "user_lockout_duration": 600,
            "user_lockout_counter_reset_duration": 0,
            "user_lockout_disable": True,
        }
        assert found.items() >= lockout.items()
        shown = (await server.expect(200, "GET", "sys/auth/m", token=root)).data
        assert shown["config"]["user_lockout_config"] == lockout
        body = {"user_lockout_config": {"lockout_threshold": []}}
        answer = await server.expect(400, "POST", "sys/auth/m/tune", token=root, body=body)
        assert 'field "lockout_threshold"' in answer.errors[0]


async def test_auth_tuning_below_mounts_asks_for_no_sudo() -> None:
    async with MemoryServer() as server:
        policy = 'path "sys/*" { capabilities = ["read", "update"] }'
        token = await server.token(policy)
        await server.expect(200, "GET", "sys/mounts/auth/token/tune", token=token)
        await server.expect(403, "GET", "sys/auth/token/tune", token=token)


async def test_a_mount_may_be_called_tune() -> None:
    async with MemoryServer() as server:
        await server.mount("tune", "kv-v2")
        root = server.root_token
        assert (await server.expect(200, "GET", "sys/mounts/tune", token=root)).data["type"] == "kv"
        await server.expect(200, "GET", "sys/mounts/tune/tune", token=root)
