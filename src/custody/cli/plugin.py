"""`custody plugin`: the catalogue of engines and methods."""

from collections.abc import Mapping
from typing import Any

from custody.cli import output
from custody.cli.command import FIELD, FORMAT, HTTP, Command, Context, Example
from custody.cli.errors import RemoteError, UsageError
from custody.cli.flags import Flag, Kind

_TYPES = ("auth", "database", "secret")
_CATALOG = "sys/plugins/catalog"


def list_plugins(context: Context) -> int:
    """Print the plugins, of one type or of all."""
    kind = _type(context.arguments[0]) if context.arguments else ""
    try:
        data = context.client().read(_CATALOG).get("data") or {}
    except RemoteError as error:
        raise error.about("Error listing available plugins") from error
    found = [one for one in data.get("detailed") or [] if not kind or one.get("type") == kind]
    found.sort(key=lambda one: (one.get("type"), one.get("name")))
    if not context.is_table:
        return context.show(found if context.options.switch("detailed") else _by_type(found))
    titles, names = ["Name", "Type", "Version"], ["name", "type", "version"]
    if context.options.switch("detailed"):
        titles, names = [*titles, "Deprecation Status"], [*names, "deprecation_status"]
    elif kind:
        titles, names = ["Name", "Version"], ["name", "version"]
    return context.show_columns(" | ".join(titles), (_texts(one, names) for one in found))


def _by_type(found: list[Mapping[str, Any]]) -> dict[str, list[str]]:
    named: dict[str, list[str]] = {}
    for one in found:
        named.setdefault(str(one.get("type")), []).append(str(one.get("name")))
    return named


def _texts(one: Mapping[str, Any], names: list[str]) -> list[str]:
    return [output.go_text(one.get(name) or "") for name in names]


def info(context: Context) -> int:
    """Print what the catalogue says of a plugin."""
    kind, name = _type(context.arguments[0]), context.arguments[1].strip()
    version = context.options.text("version")
    try:
        data = (
            context.client()
            .read(f"{_CATALOG}/{kind}/{name}", {"version": version} if version else {})
            .get("data")
        )
    except RemoteError as error:
        raise error.about(f"Error reading plugin named {name}") from error
    if not data:
        raise RemoteError(f"No value found for plugin {name!r}")
    if context.options.has("field"):
        return context.show_field(data, context.options.text("field"))
    return context.show(data)


def register(context: Context) -> int:
    """Make a plugin known."""
    kind, name = _type(context.arguments[0]), context.arguments[1].strip()
    options = context.options
    body = {
        "type": kind,
        "args": options.texts("args"),
        "command": options.text("command") or name,
        "sha256": options.text("sha256"),
        "version": options.text("version"),
    }
    try:
        context.client().write(f"{_CATALOG}/{kind}/{name}", body)
    except RemoteError as error:
        raise error.about(f"Error registering plugin {name}") from error
    return context.done(f"Success! Registered plugin: {name}")


def deregister(context: Context) -> int:
    """Forget a plugin."""
    kind, name = _type(context.arguments[0]), context.arguments[1].strip()
    version = context.options.text("version")
    try:
        context.client().delete(
            f"{_CATALOG}/{kind}/{name}", {"version": version} if version else {}
        )
    except RemoteError as error:
        raise error.about(f"Error deregistering plugin named {name}") from error
    return context.done(f"Success! Deregistered plugin (if it was registered): {name}")


def reload(context: Context) -> int:
    """Load a plugin, or what some mounts run, anew."""
    plugin, mounts = context.options.text("plugin"), context.options.listed("mounts")
    if bool(plugin) == bool(mounts):
        raise UsageError("name either -plugin or -mounts")
    body: dict[str, Any] = {"plugin": plugin} if plugin else {"mounts": mounts}
    if context.options.has("scope"):
        body["scope"] = context.options.text("scope")
    try:
        answer = context.client().write("sys/plugins/reload/backend", body)
    except RemoteError as error:
        raise error.about("Error reloading plugin/mounts") from error
    context.warn_of(answer)
    if plugin:
        return context.done(f"Success! Reloaded plugin: {plugin}")
    return context.done(f"Success! Reloaded mounts: {', '.join(mounts)}")


def _type(word: str) -> str:
    kind = word.strip().lower()
    if kind not in _TYPES:
        raise RemoteError(f'Error parsing type: "{kind}" is not a supported plugin type')
    return kind


_VERSION = Flag("version", "The version of the plugin.")

COMMANDS = (
    Command(
        "plugin list",
        "List the engines and methods that can be enabled.",
        (
            Example("All:", "custody plugin list"),
            Example("Secrets engines:", "custody plugin list secret"),
        ),
        list_plugins,
        "[auth | database | secret]",
        (0, 1),
        (Flag("detailed", "Print whether it is still to be used.", Kind.SWITCH),),
    ),
    Command(
        "plugin info",
        "Print what the catalogue says of a plugin.",
        (Example("Of KV:", "custody plugin info secret kv"),),
        info,
        "TYPE NAME",
        (2, 2),
        (_VERSION,),
        HTTP + FORMAT + FIELD,
    ),
    Command(
        "plugin register",
        "Make a plugin known.",
        (Example("By the digest of its program:",
                 "custody plugin register -sha256=d3f0a8be auth my-method"),),
        register,
        "TYPE NAME",
        (2, 2),
        (
            _VERSION,
            Flag("args", "An argument for its program.", Kind.TEXTS),
            Flag("command", "Its program (default: its name)."),
            Flag("sha256", "The digest of its program."),
        ),
    ),
    Command(
        "plugin deregister",
        "Forget a plugin.",
        (Example("Forget it:", "custody plugin deregister auth my-method"),),
        deregister,
        "TYPE NAME",
        (2, 2),
        (_VERSION,),
    ),
    Command(
        "plugin reload",
        "Load a plugin anew.",
        (Example("Wherever it is mounted:", "custody plugin reload -plugin=kv"),),
        reload,
        flags=(
            Flag("mounts", "The paths whose plugins are meant.", Kind.TEXTS),
            Flag("plugin", "The name of the plugin."),
            Flag("scope", "global: on every node."),
        ),
    ),
)  # fmt: skip
