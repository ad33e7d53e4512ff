"""`custody read`, `write`, `delete` and `list`: the API by path."""

from typing import TextIO

from custody.cli import data
from custody.cli.command import ANY, FIELD, FORMAT, HTTP, Command, Context, Example
from custody.cli.errors import RemoteError, UsageError
from custody.cli.flags import Flag, Kind

_EMPTY = 2  # exit code when there is nothing there


def stdin_of(context: Context) -> TextIO | None:
    """Standard input, or None when it must not be read."""
    return None if context.options.switch("non-interactive") else context.console.stdin


def read(context: Context) -> int:
    """Print what is at a path."""
    path = context.arguments[0].strip().strip("/")
    parameters = data.parse(context.arguments[1:], stdin_of(context))
    try:
        answer = context.client().read(path, parameters)
    except RemoteError as error:
        raise error.about(f"Error reading {path}") from error
    if not answer:
        context.console.warn(f"No value found at {path}")
        return _EMPTY
    return context.show_answer(answer)


def write(context: Context) -> int:
    """Write data to a path."""
    path = context.arguments[0].strip().strip("/")
    words = context.arguments[1:]
    if not words and not context.options.switch("force"):
        raise UsageError("Must supply data or use -force")
    body = data.parse(words, stdin_of(context))
    try:
        answer = context.client().write(path, body)
    except RemoteError as error:
        raise error.about(f"Error writing data to {path}") from error
    if not answer:
        return context.done(f"Success! Data written to: {path}")
    return context.show_answer(answer)


def delete(context: Context) -> int:
    """Delete what is at a path."""
    path = context.arguments[0].strip().strip("/")
    parameters = data.parse(context.arguments[1:], stdin_of(context))
    try:
        answer = context.client().delete(path, parameters)
    except RemoteError as error:
        raise error.about(f"Error deleting {path}") from error
    if not answer:
        return context.done(f"Success! Data deleted (if it existed) at: {path}")
    return context.show_answer(answer)


def list_path(context: Context) -> int:
    """Print the names under a path."""
    return show_list(context, context.arguments[0].strip().strip("/"))


def show_list(context: Context, path: str) -> int:
    """Ask for the list of `path` and print it; exit code 2 when there is nothing."""
    options = context.options
    page = {name: options.text(name) for name in ("after", "limit") if options.has(name)}
    try:
        answer = context.client().list(path, page)
    except RemoteError as error:
        raise error.about(f"Error listing {path}") from error
    if answer.get("wrap_info"):
        return context.show_answer(answer)
    keys = (answer.get("data") or {}).get("keys")
    if keys is None:
        if context.is_table:
            context.console.warn(f"No value found at {path}")
        else:
            context.show({})
        return _EMPTY
    if not context.is_table:
        return context.show(keys)
    context.warn_of(answer)
    return context.show(sorted(keys))


COMMANDS = (
    Command(
        "read",
        "Read data from a path.",
        (
            Example("Read the settings of a store:", "custody read secret/config"),
            Example("Read with parameters:", "custody read secret/data/app version=2"),
        ),
        read,
        "PATH [DATA K=V...]",
        (1, ANY),
        shared=HTTP + FORMAT + FIELD,
    ),
    Command(
        "write",
        "Write data to a path.",
        (
            Example("Write fields:", "custody write secret/config max_versions=5"),
            Example(
                "Take a value from a file:", "custody write sys/policies/acl/web policy=@web.hcl"
            ),
            Example("Take the whole body from standard input:", "custody write secret/data/app -"),
            Example("Write nothing, where that is enough:", "custody write -force sys/rotate"),
        ),
        write,
        "PATH [DATA K=V...]",
        (1, ANY),
        (Flag("force", "Write even without data.", Kind.SWITCH, alias="f"),),
        HTTP + FORMAT + FIELD,
    ),
    Command(
        "delete",
        "Delete what is at a path.",
        (Example("Delete a policy:", "custody delete sys/policies/acl/web"),),
        delete,
        "PATH [DATA K=V...]",
        (1, ANY),
        shared=HTTP + FORMAT + FIELD,
    ),
    Command(
        "list",
        "List the names under a path.",
        (
            Example("List a folder:", "custody list secret/metadata/team"),
            Example("A page of it:", "custody list -after=m -limit=100 secret/metadata"),
        ),
        list_path,
        "PATH",
        (1, 1),
        (
            Flag("after", "Begin after this name."),
            Flag("limit", "At most this many names.", Kind.INTEGER),
        ),
    ),
)
