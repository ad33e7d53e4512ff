"""`custody status`, and how the state of the seal is printed wherever it is."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from custody.cli import output
from custody.cli.command import FIELD, FORMAT, HTTP, Command, Context, Example
from custody.cli.errors import RemoteError

if TYPE_CHECKING:
    from custody.cli.client import Client

_SEALED = 2
_UNAVAILABLE = 503
_FROM_LEADER = (
    "ha_enabled", "is_self", "active_time", "leader_address", "leader_cluster_address",
    "raft_committed_index", "raft_applied_index",
)  # fmt: skip
_OPTIONAL = (
    ("migration", "Seal Migration in Progress"), ("version", "Version"),
    ("build_date", "Build Date"), ("commit_date", "Commit Date"),
    ("storage_type", "Storage Type"), ("cluster_name", "Cluster Name"),
    ("cluster_id", "Cluster ID"), ("unseal_error", "Unseal Error"),
)  # fmt: skip
_ZERO_TIME = "0001-01-01T00:00:00Z"  # how Go writes "never"


def run(context: Context) -> int:
    """Print the seal's state; 0 unsealed, 2 sealed. The namespace plays no part."""
    client = context.client().in_root_namespace()
    try:
        status = client.read("sys/seal-status")
        show(context, client, status)
    except RemoteError as error:
        raise error.about("Error checking seal status") from error
    return _SEALED if status.get("sealed") else 0


def show(context: Context, client: "Client", status: Mapping[str, Any]) -> int:
    """Print `status` with what the leader says, or the -field of it. Raises RemoteError."""
    whole = {**status, **_leader(client)}
    name = context.options.text("field")
    if name:
        return context.show_field(whole, name)
    if not context.is_table:
        return context.show(whole)
    return context.show_columns("Key | Value", _rows(whole))


def _leader(client: "Client") -> dict[str, Any]:
    try:
        leader = client.read("sys/leader")
    except RemoteError as error:
        if error.status != _UNAVAILABLE:
            raise
        # OpenBao answers 503 while sealed, with or without high availability.
        return {"ha_enabled": False}
    return {name: leader[name] for name in _FROM_LEADER if leader.get(name) is not None}


def _rows(status: Mapping[str, Any]) -> list[tuple[str, str]]:
    prefix = "Recovery " if status.get("recovery_seal") else ""
    rows = [("Seal Type", status.get("type"))]
    if prefix:
        rows.append(("Recovery Seal Type", status.get("recovery_seal_type")))
    rows += [
        ("Initialized", status.get("initialized", False)),
        ("Sealed", status.get("sealed", True)),
        (f"Total {prefix}Shares", status.get("n", 0)),
        ("Threshold", status.get("t", 0)),
    ]
    if status.get("sealed"):
        rows.append(("Unseal Progress", f"{status.get('progress', 0)}/{status.get('t', 0)}"))
        rows.append(("Unseal Nonce", status.get("nonce", "")))
    rows += [(title, status[name]) for name, title in _OPTIONAL if status.get(name)]
    return [(title, output.go_text(value)) for title, value in rows + _ha_rows(status)]


def _ha_rows(status: Mapping[str, Any]) -> list[tuple[str, Any]]:
    rows: list[tuple[str, Any]] = [("HA Enabled", bool(status.get("ha_enabled")))]
    if not status.get("ha_enabled") or status.get("sealed"):
        return rows
    active = bool(status.get("is_self"))
    rows.append(("HA Cluster", status.get("leader_cluster_address", "")))
    rows.append(("HA Mode", "active" if active else "standby"))
    if active and status.get("active_time", _ZERO_TIME) != _ZERO_TIME:
        rows.append(("Active Since", status["active_time"]))
    if not active and status.get("leader_address"):
        rows.append(("Active Node Address", status["leader_address"]))
    return rows


def key_status_rows(status: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The state of the encryption key as rows for `output.columns`."""
    installed = str(status.get("install_time", ""))
    try:
        when = datetime.fromisoformat(installed[:19]).replace(tzinfo=UTC)
        installed = f"{when:%d %b %y %H:%M} UTC"
    except ValueError:
        pass  # shown as it came
    return [
        ("Key Term", output.go_text(status.get("term"))),
        ("Install Time", installed),
        ("Encryption Count", output.go_text(status.get("encryptions"))),
    ]


COMMANDS = (
    Command(
        "status",
        "Print whether the server is initialised and sealed.",
        (
            Example("Exit code 0 means unsealed, 2 sealed, 1 an error:", "custody status"),
            Example("For a script:", "custody status -format=json"),
        ),
        run,
        shared=HTTP + FORMAT + FIELD,
        remote_exit_code=1,
    ),
)
