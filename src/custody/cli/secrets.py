"""`custody secrets`: secrets engines and where they are."""

from collections.abc import Mapping
from typing import Any

from custody.cli import mounting, output
from custody.cli.command import Command, Context, Example
from custody.cli.errors import RemoteError
from custody.cli.flags import Flag, Kind

_DETAILS = (
    "Path | Plugin | Accessor | Default TTL | Max TTL | Force No Cache | Replication | Seal Wrap"
    " | Options | Description | UUID | Version | Running Version | Deprecation Status"
)
_NO_TTL = ("system", "cubbyhole")


def enable(context: Context) -> int:
    """Enable an engine at a path."""
    kind = context.arguments[0].strip()
    path = mounting.path_of(context.options.text("path", kind))
    body = mounting.enabling(context)
    try:
        answer = context.client().write(f"sys/mounts/{path.rstrip('/')}", body, method="POST")
    except RemoteError as error:
        raise error.about("Error enabling") from error
    context.warn_of(answer)
    return context.done(f"Success! Enabled the {kind} secrets engine at: {path}")


def list_engines(context: Context) -> int:
    """Print the engines and where they are."""
    try:
        mounts = context.client().read("sys/mounts").get("data") or {}
    except RemoteError as error:
        raise error.about("Error listing secrets engines") from error
    if not context.is_table:
        return context.show(mounts)
    if context.options.switch("detailed"):
        return context.show_columns(
            _DETAILS, (_details(path, mounts[path]) for path in sorted(mounts))
        )
    rows = ((path, *_texts(mounts[path], "type", "accessor", "description"))
            for path in sorted(mounts))  # fmt: skip
    return context.show_columns("Path | Type | Accessor | Description", rows)


def _texts(mount: Mapping[str, Any], *names: str) -> list[str]:
    return [output.go_text(mount.get(name, "")) for name in names]


def _details(path: str, mount: Mapping[str, Any]) -> list[str]:
    config = mount.get("config") or {}
    return [
        path,
        *_texts(mount, "type", "accessor"),
        *(_ttl(mount, config.get(name)) for name in ("default_lease_ttl", "max_lease_ttl")),
        output.go_text(config.get("force_no_cache", False)),
        "local" if mount.get("local") else "replicated",
        output.go_text(mount.get("seal_wrap", False)),
        output.go_text(mount.get("options") or {}),
        *_texts(mount, "description", "uuid", "plugin_version", "running_plugin_version"),
        *_texts(mount, "deprecation_status"),
    ]


def _ttl(mount: Mapping[str, Any], seconds: int | None) -> str:
    if mount.get("type") in _NO_TTL:
        return ""
    return str(seconds) if seconds else "system"


COMMANDS = (
    Command(
        "secrets enable",
        "Enable a secrets engine.",
        (
            Example("A key-value store with versions:", "custody secrets enable -path=team kv-v2"),
            Example("The same, in other words:", "custody secrets enable -version=2 kv"),
        ),
        enable,
        "TYPE",
        (1, 1),
        mounting.ENABLING,
    ),
    Command(
        "secrets disable",
        "Disable a secrets engine. All its data and leases are gone.",
        (Example("Disable it:", "custody secrets disable team"),),
        mounting.disable(mounting.SECRETS),
        "PATH",
        (1, 1),
        (mounting.WAIT,),
    ),
    Command(
        "secrets list",
        "List the secrets engines.",
        (
            Example("What is where:", "custody secrets list"),
            Example("With their settings:", "custody secrets list -detailed"),
        ),
        list_engines,
        flags=(Flag("detailed", "Print the settings too.", Kind.SWITCH),),
    ),
    *mounting.changing(mounting.SECRETS),
)  # fmt: skip
