"""`custody operator members` and `step-down`: the nodes of a cluster, and who leads it."""

from typing import Any

from custody.cli import output
from custody.cli.command import Command, Context, Example
from custody.cli.errors import RemoteError
from custody.cli.request import Request

_COLUMNS = (
    "Host Name | API Address | Cluster Address | Active Node | Version | Upgrade Version"
    " | Last Echo"
)
_NAMES = ("hostname", "api_address", "cluster_address", "active_node", "version",
          "upgrade_version", "last_echo")  # fmt: skip


def members(context: Context) -> int:
    """Print the nodes."""
    try:
        data = context.client().read("sys/ha-status").get("data") or {}
    except RemoteError as error:
        raise error.about("Error getting HA status") from error
    if not context.is_table:
        return context.show(data)
    nodes = data.get("nodes") or []
    rows = ([output.go_text(_shown(node.get(name))) for name in _NAMES] for node in nodes)
    return context.show_columns(_COLUMNS, rows)


def _shown(value: Any) -> Any:
    return "" if value is None else value


def step_down(context: Context) -> int:
    """Make the node give the lead to another; where there is no other, say so."""
    from custody.cli.settings import connection  # noqa: PLC0415 costs start-up time of others

    context.needs(Request("PUT", "sys/step-down"))
    client = context.client()
    try:
        client.write("sys/step-down")
        alone = not client.preparing().read("sys/leader").get("ha_enabled")
    except RemoteError as error:
        raise error.about("Error stepping down") from error
    address = connection(context.options, context.environment, with_token=False).place
    if alone:
        context.console.warn(f"{address} is the only node: it goes on as before.")
        return 0
    return context.done(f"Success! Stepped down: {address}")


COMMANDS = (
    Command(
        "operator members",
        "List the nodes of the cluster.",
        (Example("Who leads:", "custody operator members"),),
        members,
    ),
    Command(
        "operator step-down",
        "Make the node give the lead to another. The only node keeps it, and that is said.",
        (Example("Before maintenance:", "custody operator step-down"),),
        step_down,
    ),
)
