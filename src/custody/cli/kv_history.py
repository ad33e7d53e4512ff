"""`custody kv`: whole stores and older versions: enable-versioning, rollback, scan."""

from custody.cli import mounting
from custody.cli.command import FIELD, FORMAT, HTTP, Command, Context, Example
from custody.cli.errors import RemoteError, UsageError
from custody.cli.flags import Flag, Kind
from custody.cli.kv import MOUNT
from custody.cli.kv_path import find, locate
from custody.cli.logical import PAGE, show_list
from custody.cli.request import Request

_EMPTY = 2  # exit code when there is nothing there


def scan(context: Context) -> int:
    """Print the keys of a folder and of the folders in it."""
    if not context.arguments and not context.options.has("mount"):
        raise UsageError("Not enough arguments (expected 1, got 0)")
    return show_list(context, find(context, context.client()).api("metadata"), deep=True)


def enable_versioning(context: Context) -> int:
    """Make a store keep versions from now on."""
    path = mounting.path_of(context.arguments[0])
    return mounting.tuned(context, mounting.SECRETS, path, {"options": {"version": "2"}})


def rollback(context: Context) -> int:
    """Write an older version again, on condition that nobody wrote meanwhile."""
    version = context.options.integer("version")
    if not version or version < 1:
        raise UsageError("Version flag must be specified")
    client = context.client()
    location = locate(context, client)
    if not location.versioned:
        raise RemoteError("K/V engine mount must be version 2 for rollback support")
    path, preparing = location.api("data"), client.preparing()
    context.needs(Request("GET", path), Request("PUT", path))
    try:
        current = (preparing.read(path).get("data") or {}).get("metadata") or {}
        found = (preparing.read(path, {"version": version}).get("data") or {}).get("data")
    except RemoteError as error:
        raise error.about(f"Error doing pre-read at {path}") from error
    if not current or found is None:
        context.console.warn(f"No value found at {path}")
        return _EMPTY
    body = {"data": found, "options": {"cas": current["version"]}}
    try:
        answer = client.write(path, body)
    except RemoteError as error:
        raise error.about(f"Error writing data to {path}") from error
    return context.show_answer(answer)


COMMANDS = (
    Command(
        "kv scan",
        "List the keys of a folder, folders and all.",
        (Example("A whole store:", "custody kv scan secret"),),
        scan,
        "PATH",
        (0, 1),
        (MOUNT, *PAGE),
    ),
    Command(
        "kv enable-versioning",
        "Make a store keep versions from now on.",
        (Example("Of a store without versions:", "custody kv enable-versioning team"),),
        enable_versioning,
        "PATH",
        (1, 1),
    ),
    Command(
        "kv rollback",
        "Write an older version of a secret again, as its newest.",
        (Example("Back to version 2:", "custody kv rollback -version=2 secret/app"),),
        rollback,
        "KEY",
        (1, 1),
        (MOUNT, Flag("version", "The version to write again.", Kind.INTEGER)),
        HTTP + FORMAT + FIELD,
    ),
)
