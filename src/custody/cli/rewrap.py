"""`custody operator rewrap`: everything stored under the newest encryption key."""

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from custody.cli import output
from custody.cli.command import Command, Context, Example
from custody.cli.errors import RemoteError
from custody.cli.flags import Flag, Kind
from custody.cli.request import Request

if TYPE_CHECKING:
    from custody.cli.client import Client

_PATH = "sys/rotate/rewrap"
_LOOK_SECONDS = 0.5  # between two looks at work that goes on


def rewrap(context: Context) -> int:
    """Have everything encrypted by the newest key, and show how far that is until it is done."""
    options = context.options
    if not any(options.switch(name) for name in ("cancel", "status", "detach")):
        context.needs(Request("PUT", _PATH), Request("GET", _PATH))
    client = context.client()
    try:
        if options.switch("cancel"):
            client.delete(_PATH)
            return context.done("Success! Canceled rewrapping (if it was started)")
        if options.switch("status"):
            state = client.read(_PATH).get("data") or {}
        else:
            state = client.write(_PATH).get("data") or {}
            if not options.switch("detach"):
                state = _follow(context, client, state)
    except RemoteError as error:
        raise error.about("Error rewrapping") from error
    if not context.is_table:
        return context.show(state)
    rows = ([name, output.go_text(value)] for name, value in state.items() if value != "")
    return context.show_columns("Key | Value", rows)


def _follow(context: Context, client: "Client", state: Mapping[str, Any]) -> Mapping[str, Any]:
    """How it stands when it is no longer running."""
    with context.progress("Rewrapping") as bar:
        while state.get("state") == "running":
            bar.show(state.get("rows", 0), state.get("total", 0), str(state.get("table", "")))
            time.sleep(_LOOK_SECONDS)
            state = client.read(_PATH).get("data") or {}
    return state


COMMANDS = (
    Command(
        "operator rewrap",
        "Encrypt everything stored by the newest key, while the server goes on serving.",
        (
            Example("After a rotation, and watch it:", "custody operator rewrap"),
            Example("How far is it?", "custody operator rewrap -status"),
        ),
        rewrap,
        flags=(
            Flag("cancel", "Go no further.", Kind.SWITCH),
            Flag("detach", "Do not wait for the end.", Kind.SWITCH),
            Flag("status", "Only say how far it is.", Kind.SWITCH),
        ),
    ),
)
