"""`custody auth`: auth methods and where they are."""

from collections.abc import Mapping
from typing import Any

from custody.cli import mounting, output
from custody.cli.command import Command, Context, Example
from custody.cli.errors import RemoteError, UsageError
from custody.cli.flags import Flag, Kind

_DETAILS = (
    "Path | Plugin | Accessor | Default TTL | Max TTL | Token Type | Replication | Seal Wrap"
    " | External Entropy Access | Options | Description | UUID | Version | Running Version"
    " | Running SHA256 | Deprecation Status"
)


def enable(context: Context) -> int:
    """Enable a method at a path."""
    kind = context.arguments[0].strip()
    path = mounting.path_of(context.options.text("path", kind))
    try:
        answer = context.client().write(
            f"sys/auth/{path.rstrip('/')}", mounting.enabling(context), method="POST"
        )
    except RemoteError as error:
        raise error.about(f"Error enabling {kind} auth") from error
    context.warn_of(answer)
    return context.done(f"Success! Enabled {kind} auth method at: {path}")


def list_methods(context: Context) -> int:
    """Print the methods and where they are."""
    try:
        methods = context.client().read("sys/auth").get("data") or {}
    except RemoteError as error:
        raise error.about("Error listing enabled authentications") from error
    if not context.is_table:
        return context.show(methods)
    if context.options.switch("detailed"):
        return context.show_columns(
            _DETAILS, (_details(path, methods[path]) for path in sorted(methods))
        )
    rows = ([path, *_texts(methods[path], "type", "accessor", "description", "plugin_version")]
            for path in sorted(methods))  # fmt: skip
    return context.show_columns("Path | Type | Accessor | Description | Version", rows)


def _texts(method: Mapping[str, Any], *names: str) -> list[str]:
    return [output.go_text(method.get(name) or "") for name in names]


def _details(path: str, method: Mapping[str, Any]) -> list[str]:
    config = method.get("config") or {}
    return [
        path,
        *_texts(method, "type", "accessor"),
        *(str(config.get(name) or "system") for name in ("default_lease_ttl", "max_lease_ttl")),
        *_texts(config, "token_type"),
        "local" if method.get("local") else "replicated",
        output.go_text(bool(method.get("seal_wrap"))),
        output.go_text(bool(method.get("external_entropy_access"))),
        output.go_text(method.get("options") or {}),
        *_texts(method, "description", "uuid", "plugin_version", "running_plugin_version"),
        *_texts(method, "running_sha256", "deprecation_status"),
    ]


def help_of(context: Context) -> int:
    """Print how to log in by a method, named by its path or its type."""
    word = context.arguments[0].strip().strip("/")
    kind = _HOW.get(word) and word
    if kind is None:
        try:
            methods = context.client().read("sys/auth").get("data") or {}
        except RemoteError as error:
            raise error.about("Error listing authentications") from error
        kind = str((methods.get(f"{word}/") or {}).get("type", ""))
    text = _HOW.get(kind)
    if text is None:
        raise UsageError(f"no auth method at {word}/, and none of that name: see custody auth list")
    context.console.say(text)
    return 0


_HOW: Mapping[str, str] = {
    "token": (
        "Usage: custody login [TOKEN | K=V...]\n\n"
        "  A token is its own proof: one that another command or person has made is given as it\n"
        "  is. It is looked up and then kept for the commands that follow.\n\n"
        "Configuration:\n\n"
        "  token=<string>\n      The token. Without it, it is asked for."
    ),
}

COMMANDS = (
    Command(
        "auth enable",
        "Enable an auth method.",
        (
            Example("Which there are to enable:", "custody plugin list auth"),
            Example(
                "What a token needs to enable one:",
                "custody auth enable -output-policy -path=people userpass",
            ),
        ),
        enable,
        "TYPE",
        (1, 1),
        (*mounting.ENABLING, mounting.TOKEN_TYPE),
    ),
    Command(
        "auth disable",
        "Disable an auth method. All tokens that it handed out are revoked.",
        (Example("Disable it:", "custody auth disable people"),),
        mounting.disable(mounting.AUTH),
        "PATH",
        (1, 1),
        (mounting.WAIT,),
    ),
    Command(
        "auth list",
        "List the auth methods.",
        (
            Example("What is where:", "custody auth list"),
            Example("With their settings:", "custody auth list -detailed"),
        ),
        list_methods,
        flags=(Flag("detailed", "Print the settings too.", Kind.SWITCH),),
    ),
    Command(
        "auth help",
        "Print how to log in by a method.",
        (Example("By a token:", "custody auth help token"),),
        help_of,
        "TYPE | PATH",
        (1, 1),
    ),
    *mounting.changing(mounting.AUTH, mounting.TOKEN_TYPE),
)
