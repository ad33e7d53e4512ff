"""`custody audit`: enable, disable and list audit devices."""

from collections.abc import Mapping
from typing import Any

from custody.cli.command import ANY, Command, Context, Example
from custody.cli.data import parse_texts
from custody.cli.errors import RemoteError
from custody.cli.flags import Flag, Kind
from custody.cli.logical import stdin_of

_EMPTY = 2  # exit code when there is nothing there


def enable(context: Context) -> int:
    """Enable a device."""
    options, kind = context.options, context.arguments[0].strip()
    path = options.text("path", kind).strip().strip("/") + "/"
    body = {
        "type": kind,
        "description": options.text("description"),
        "options": parse_texts(context.arguments[1:], stdin_of(context)),
        "local": options.switch("local"),
    }
    try:
        context.client().write(f"sys/audit/{path.rstrip('/')}", body)
    except RemoteError as error:
        raise error.about("Error enabling audit device") from error
    return context.done(f"Success! Enabled the {kind} audit device at: {path}")


def disable(context: Context) -> int:
    """Disable a device."""
    path = context.arguments[0].strip().strip("/") + "/"
    try:
        context.client().delete(f"sys/audit/{path.rstrip('/')}")
    except RemoteError as error:
        raise error.about("Error disabling audit device") from error
    return context.done(f"Success! Disabled audit device (if it was enabled) at: {path}")


def list_devices(context: Context) -> int:
    """Print the devices; exit code 2 when there are none."""
    try:
        devices = context.client().read("sys/audit").get("data") or {}
    except RemoteError as error:
        raise error.about("Error listing audits") from error
    if not context.is_table:
        return context.show(devices)
    if not devices:
        context.console.say("No audit devices are enabled.")
        return _EMPTY
    if context.options.switch("detailed"):
        rows = ([*_row(path, devices[path]), *_more(devices[path])] for path in sorted(devices))
        return context.show_columns("Path | Type | Description | Replication | Options", rows)
    plain = (_row(path, devices[path]) for path in sorted(devices))
    return context.show_columns("Path | Type | Description", plain)


def _row(path: str, device: Mapping[str, Any]) -> list[str]:
    return [path, str(device.get("type", "")), str(device.get("description", ""))]


def _more(device: Mapping[str, Any]) -> list[str]:
    options = device.get("options") or {}
    listed = " ".join(f"{name}={options[name]}" for name in sorted(options))
    return ["local" if device.get("local") else "replicated", listed]


COMMANDS = (
    Command(
        "audit enable",
        "Enable an audit device.",
        (
            Example("A file:", "custody audit enable file file_path=/var/log/custody/audit.log"),
            Example(
                "A second one:", "custody audit enable -path=copy file file_path=/mnt/audit.log"
            ),
        ),
        enable,
        "TYPE [K=V...]",
        (1, ANY),
        (
            Flag("description", "What it is for."),
            Flag("local", "Do not replicate it.", Kind.SWITCH),
            Flag("path", "Its name (default: its type)."),
        ),
    ),
    Command(
        "audit disable",
        "Disable an audit device.",
        (Example("Disable it:", "custody audit disable copy"),),
        disable,
        "PATH",
        (1, 1),
    ),
    Command(
        "audit list",
        "List the audit devices.",
        (
            Example("What is there:", "custody audit list"),
            Example("With their options:", "custody audit list -detailed"),
        ),
        list_devices,
        flags=(Flag("detailed", "Print the options too.", Kind.SWITCH),),
    ),
)
