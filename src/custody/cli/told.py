"""`custody print`, `version-history` and `path-help`: what is already known, told."""

from collections.abc import Mapping
from typing import Any

from custody.cli.command import FORMAT, HTTP, Command, Context, Example
from custody.cli.errors import RemoteError, UsageError
from custody.cli.settings import current_token


def token(context: Context) -> int:
    """Print the token that requests are sent with."""
    found = current_token(context.environment)
    if found is None:
        raise UsageError("there is no token: log in, or set CUSTODY_TOKEN")
    context.console.say(found.reveal())
    return 0


def version_history(context: Context) -> int:
    """Print which versions have run on the server's store."""
    try:
        data = context.client().list("sys/version-history").get("data") or {}
    except RemoteError as error:
        raise error.about("Error reading version history") from error
    if not context.is_table:
        return context.show(data)
    info: Mapping[str, Any] = data.get("key_info") or {}
    keys = data.get("keys") or []
    rows = ([key, *_installed(info.get(key) or {})] for key in keys)
    return context.show_columns("Version | Installation Time | Commit Date", rows)


def _installed(info: Mapping[str, Any]) -> list[str]:
    date = info.get("commit_date") or info.get("build_date") or ""
    return [str(info.get("timestamp_installed", "")), str(date)]


def path_help(context: Context) -> int:
    """Print what the server says of a path."""
    path = context.arguments[0].strip().strip("/")
    try:
        answer = context.client().read(path, {"help": "1"})
    except RemoteError as error:
        raise error.about(f"Error retrieving help for {path}") from error
    if not answer:
        raise RemoteError(f"No help for {path}: there is no such path, or you may not see it")
    if not context.is_table:
        return context.show(answer.get("openapi") or answer)
    context.console.say(str(answer.get("help", "")).rstrip())
    return 0


COMMANDS = (
    Command(
        "print token",
        "Print the token that requests are sent with.",
        (Example("For another program:", "custody print token"),),
        token,
        shared=(),
    ),
    Command(
        "version-history",
        "List the versions that have run on the server's store.",
        (Example("Since when is this one there:", "custody version-history"),),
        version_history,
    ),
    Command(
        "path-help",
        "Print what the server says of a path: what it is for and what it takes.",
        (
            Example("Of a mount:", "custody path-help secret"),
            Example("Of one of its paths:", "custody path-help secret/data/app"),
        ),
        path_help,
        "PATH",
        (1, 1),
        shared=HTTP + FORMAT,
    ),
)
