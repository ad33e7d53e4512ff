"""Mounts: shown, tuned, moved and disabled."""

from typing import Any, Final

from tests.conformance.recorder import Record, RecordingServer
from tests.unit.system.test_tune import METHOD

TUNED: Final[dict[str, Any]] = {
    "listing_visibility": "unauth",
    "audit_non_hmac_request_keys": ["a"],
    "audit_non_hmac_response_keys": ["b"],
    "passthrough_request_headers": ["X-A"],
    "allowed_response_headers": ["X-B"],
}
LOCKOUT: Final = {"user_lockout_config": {"lockout_threshold": 3}}


async def shown(record: Record) -> None:
    """Mounts of all kinds, with everything tuned and with nothing, to a caller and a stranger."""
    async with RecordingServer(record, METHOD) as server:
        ask = server.ask
        for name in ("bare", "tuned"):
            await ask("POST", f"sys/auth/{name}", 204, type="method")
        await ask("POST", "sys/auth/tuned/tune", 204, **TUNED, **LOCKOUT, options={"a": "b"})
        await ask("POST", "sys/mounts/tuned", 204, type="kv-v1")
        await ask("POST", "sys/mounts/tuned/tune", 204, **TUNED)
        await ask("POST", "sys/auth/token/tune", 204, listing_visibility="unauth")
        for path in (
            "secret",
            "tuned",
            "cubbyhole",
            "sys",
            "auth/bare",
            "auth/tuned",
            "auth/token",
        ):
            await ask("GET", f"sys/mounts/{path}")
            await ask("GET", f"sys/mounts/{path}/tune")
            await ask("GET", f"sys/internal/ui/mounts/{path}")
        for name in ("bare", "tuned", "token"):
            await ask("GET", f"sys/auth/{name}")
            await ask("GET", f"sys/auth/{name}/tune")
        for path in ("mounts", "auth", "internal/ui/mounts", "internal/ui/namespaces"):
            await ask("GET", f"sys/{path}")
        await server.expect(200, "GET", "sys/internal/ui/mounts")
        for tag in ("root", "uuid", "accessor", "storage"):
            await ask("GET", f"sys/internal/inspect/router/{tag}")
        for method in ("GET", "POST"):
            await ask(method, "sys/internal/specs/openapi")


async def moved_and_disabled(record: Record) -> None:
    """A mount goes elsewhere and away."""
    async with RecordingServer(record) as server:
        move: dict[str, Any] = {"from": "secret", "to": "other"}
        moved = await server.ask("POST", "sys/remount", **move)
        await server.ask("GET", f"sys/remount/status/{moved['migration_id']}")
        await server.ask("DELETE", "sys/mounts/other", 204)
        for uuid in (await server.ask("LIST", "sys/unmounts"))["keys"]:
            await server.ask("GET", f"sys/unmounts/{uuid}")


async def plugins(record: Record) -> None:
    """The catalogue of plugins."""
    async with RecordingServer(record, METHOD) as server:
        base = "sys/plugins/catalog"
        await server.ask("GET", base)
        await server.ask("LIST", f"{base}/secret")
        for path in ("kv", "secret/kv", "none/kv"):
            await server.ask("GET", f"{base}/{path}")
        await server.ask("POST", "sys/plugins/reload/backend", plugin="kv")


SCENES: Final = (shown, moved_and_disabled, plugins)
