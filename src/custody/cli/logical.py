"""`custody read`, `write`, `delete` and `list`: the API by path."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, TextIO

from custody.base.secret import Secret
from custody.cli import data
from custody.cli.command import ANY, FIELD, FORMAT, HTTP, Command, Context, Example
from custody.cli.errors import RemoteError, UsageError
from custody.cli.flags import Flag, Kind
from custody.cli.output import Format, go_text

_EMPTY = 2  # exit code when there is nothing there


def stdin_of(context: Context) -> TextIO | None:
    """Standard input, or None when it must not be read."""
    return None if context.options.switch("non-interactive") else context.console.stdin


def read(context: Context) -> int:
    """Print what is at a path."""
    path = context.arguments[0].strip().strip("/")
    parameters = data.parse(context.arguments[1:], stdin_of(context))
    if context.format is Format.RAW:
        return _read_raw(context, path, parameters)
    try:
        answer = context.client().read(path, parameters)
    except RemoteError as error:
        raise error.about(f"Error reading {path}") from error
    if not answer:
        context.console.warn(f"No value found at {path}")
        return _EMPTY
    return context.show_answer(answer)


def _read_raw(context: Context, path: str, parameters: Mapping[str, Any]) -> int:
    try:
        raw = context.client().read_raw(path, parameters)
    except RemoteError as error:
        raise error.about(f"Error reading {path}") from error
    context.console.stdout.write(raw.decode(errors="replace"))
    return 0


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


def unwrap(context: Context) -> int:
    """Print what a wrapping token holds; its own token is the wrapping token without another."""
    token = context.arguments[0].strip() if context.arguments else ""
    client = context.client()
    body = {}
    if token and client.has_token:
        body = {"token": token}
    elif token:
        client = client.with_token(Secret(token))
    try:
        answer = client.write("sys/wrapping/unwrap", body)
    except RemoteError as error:
        raise error.about("Error unwrapping") from error
    if not answer:
        context.console.warn("Could not find wrapped response")
        return _EMPTY
    return context.show_answer(answer)


def list_path(context: Context) -> int:
    """Print the names under a path."""
    return show_list(context, context.arguments[0].strip().strip("/"))


def scan_path(context: Context) -> int:
    """Print the names under a path and under the folders in it."""
    return show_list(context, context.arguments[0].strip().strip("/"), deep=True)


def show_list(context: Context, path: str, *, deep: bool = False) -> int:
    """Ask for the list of `path` and print it; exit code 2 when there is nothing."""
    options = context.options
    page = {name: options.text(name) for name in ("after", "limit") if options.has(name)}
    client = context.client()
    try:
        answer = client.scan(path, page) if deep else client.list(path, page)
    except RemoteError as error:
        raise error.about(f"Error listing {path}") from error
    if answer.get("wrap_info"):
        return context.show_answer(answer)
    keys = (answer.get("data") or {}).get("keys")
    if keys is None:
        if context.is_table:
            context.console.warn(f"No {'entries' if deep else 'value'} found at {path}")
        else:
            context.show({})
        return _EMPTY
    if not context.is_table:
        return context.show(keys)
    context.warn_of(answer)
    info = (answer.get("data") or {}).get("key_info")
    if options.switch("detailed") and isinstance(info, Mapping):
        return _show_details(context, keys, info)
    return context.show(sorted(keys))


def _show_details(context: Context, keys: Sequence[str], info: Mapping[str, Any]) -> int:
    """A row for each name, a column for each fact that any of them has."""
    facts = {name: info[name] for name in keys if isinstance(info.get(name), Mapping)}
    columns = sorted({fact for found in facts.values() for fact in found})
    rows = ([name, *(go_text(facts.get(name, {}).get(column, "")) for column in columns)]
            for name in sorted(keys))  # fmt: skip
    return context.show_columns(" | ".join(["Keys", *columns]), rows)


_RAW_FORMAT = tuple(
    replace(flag, help="How to print: table, json, yaml or raw.", choices=(*flag.choices, "raw"))
    for flag in FORMAT
)

PAGE = (
    Flag("after", "Begin after this name."),
    Flag("limit", "At most this many names.", Kind.INTEGER),
)

_DETAILED = Flag("detailed", "Print what is known of each name too.", Kind.SWITCH)

COMMANDS = (
    Command(
        "read",
        "Read data from a path.",
        (
            Example("Read the settings of a store:", "custody read secret/config"),
            Example("Read with parameters:", "custody read secret/data/app version=2"),
            Example("As the server wrote it:",
                    "custody read -format=raw sys/metrics format=prometheus"),
        ),
        read,
        "PATH [DATA K=V...]",
        (1, ANY),
        shared=HTTP + _RAW_FORMAT + FIELD,
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
        "unwrap",
        "Get out, once, what a wrapping token holds.",
        (
            Example("Wrap a secret for a minute:", "custody read -wrap-ttl=60s secret/data/app"),
            Example("Get it out:", "custody unwrap WRAPPING_TOKEN"),
        ),
        unwrap,
        "[TOKEN]",
        (0, 1),
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
        (*PAGE, _DETAILED),
    ),
    Command(
        "scan",
        "List the names under a path, folders and all.",
        (Example("Everything of a store:", "custody scan secret/metadata"),),
        scan_path,
        "PATH",
        (1, 1),
        PAGE,
    ),
)  # fmt: skip
