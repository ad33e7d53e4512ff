"""What `custody secrets` and `custody auth` have in common: settings of a mount, tune and move."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from custody.cli.command import Command, Context, Example
from custody.cli.errors import RemoteError
from custody.cli.flags import Flag, Kind
from custody.cli.request import Request

if TYPE_CHECKING:
    from custody.cli.client import Client

_LISTS = (
    "audit-non-hmac-request-keys", "audit-non-hmac-response-keys", "passthrough-request-headers",
    "allowed-response-headers",
)  # fmt: skip
_TEXTS = (
    "default-lease-ttl", "max-lease-ttl", "listing-visibility", "plugin-version", "token-type",
)  # fmt: skip
_UNMOUNTS = "sys/unmounts"
_MOVE = "sys/remount"
_POLL = 0.2  # seconds between looks at a move

SETTINGS = (
    Flag("allowed-response-headers", "A header that it may answer with.", Kind.TEXTS),
    Flag("audit-non-hmac-request-keys", "A field of requests audited as it is.", Kind.TEXTS),
    Flag("audit-non-hmac-response-keys", "A field of answers audited as it is.", Kind.TEXTS),
    Flag("default-lease-ttl", "The life of its leases.", Kind.DURATION),
    Flag("description", "What it is for."),
    Flag("listing-visibility", "Who sees it in lists: hidden or unauth.",
         choices=("hidden", "unauth")),
    Flag("max-lease-ttl", "The longest life of its leases.", Kind.DURATION),
    Flag("options", "An option of the engine.", Kind.PAIRS),
    Flag("passthrough-request-headers", "A header that it may see.", Kind.TEXTS),
    Flag("plugin-version", "The version of the plugin."),
    Flag("version", "The version of the engine (1 or 2 for kv).", Kind.INTEGER),
)  # fmt: skip
ENABLING = (
    *SETTINGS,
    Flag("force-no-cache", "Do not cache.", Kind.SWITCH),
    Flag("local", "Do not replicate it.", Kind.SWITCH),
    Flag("path", "Where to enable it (default: its type)."),
    Flag("seal-wrap", "Wrap its data by the seal as well.", Kind.SWITCH),
)
TOKEN_TYPE = Flag(
    "token-type", "The kind of tokens that it hands out.",
    choices=("default-service", "default-batch", "service", "batch"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Side:
    """Secrets engines or auth methods: the words for them, and where they are in the API."""

    group: str
    noun: str  # as in "Tuned the …"
    api: str
    under: str  # what stands before their paths in others of the API
    tuned: str  # in an example
    moved: str


SECRETS = Side("secrets", "secrets engine", "sys/mounts", "", "team", "team")
AUTH = Side("auth", "auth method", "sys/auth", "auth/", "token", "people")


def path_of(word: str) -> str:
    """A mount's path as it is shown, with its slash."""
    return word.strip().strip("/") + "/"


def config_of(context: Context) -> dict[str, Any]:
    """The settings that were given, as the API names them."""
    options = context.options
    config: dict[str, Any] = {
        _wire(flag): options.text(flag) for flag in _TEXTS if options.has(flag)
    }
    config |= {_wire(flag): options.listed(flag) for flag in _LISTS if options.has(flag)}
    if options.has("force-no-cache"):
        config["force_no_cache"] = options.switch("force-no-cache")
    return config


def options_of(context: Context) -> dict[str, str]:
    """The engine's options that were given; -version is one of them."""
    given = context.options.pairs("options")
    if context.options.has("version"):
        given["version"] = context.options.text("version")
    return given


def enabling(context: Context) -> dict[str, Any]:
    """The body that enables what the first argument names."""
    options = context.options
    return {
        "type": context.arguments[0].strip(),
        "description": options.text("description"),
        "config": config_of(context),
        "options": options_of(context),
        "local": options.switch("local"),
        "seal_wrap": options.switch("seal-wrap"),
    }


def _wire(flag: str) -> str:
    return flag.replace("-", "_")


def tune(side: Side) -> Callable[[Context], int]:
    """The command that changes settings; what is not named stays as it is."""

    def run(context: Context) -> int:
        body = config_of(context)
        if context.options.has("description"):
            body["description"] = context.options.text("description")
        given = options_of(context)
        if given:
            body["options"] = given
        return tuned(context, side, path_of(context.arguments[0]), body)

    return run


def tuned(context: Context, side: Side, path: str, body: Mapping[str, Any]) -> int:
    """Change the settings of the mount at `path`."""
    target = f"sys/mounts/{side.under}{path}tune"
    try:
        answer = context.client().write(target, body, method="POST")
    except RemoteError as error:
        raise error.about(f"Error tuning {side.noun} {path}") from error
    context.warn_of(answer)
    return context.done(f"Success! Tuned the {side.noun} at: {path}")


def disable(side: Side) -> Callable[[Context], int]:
    """The command that disables a mount; with -wait it ends when all data of it is gone."""

    def run(context: Context) -> int:
        path = path_of(context.arguments[0])
        client = context.client()
        target = f"{side.api}/{path.rstrip('/')}"
        waits = context.options.switch("wait")
        if waits:
            listed = Request("GET", _UNMOUNTS, (("list", "true"),))
            context.needs(Request("GET", side.api), Request("DELETE", target), listed)
        try:
            accessor = _accessor(client, side, path) if waits else ""
            client.delete(target)
            if accessor:
                _wait_until_deleted(context, client, accessor)
        except RemoteError as error:
            raise error.about(f"Error disabling {side.noun} at {path}") from error
        return context.done(f"Success! Disabled the {side.noun} (if it existed) at: {path}")

    return run


def _accessor(client: "Client", side: Side, path: str) -> str:
    """What tells the mount at `path` from others that were there before; "" where there is none."""
    mounts = client.preparing().read(side.api).get("data") or {}
    return str((mounts.get(path) or {}).get("accessor", ""))


def _wait_until_deleted(context: Context, client: "Client", accessor: str) -> None:
    with context.progress("Deleting") as progress:
        while True:
            known = (client.list(_UNMOUNTS).get("data") or {}).get("key_info") or {}
            found: Mapping[str, Any] = next(
                (one for one in known.values() if one.get("accessor") == accessor), {}
            )
            if found.get("state") != "deleting":
                return
            progress.show(0, 0, f"{found.get('rows_deleted', 0)} rows")
            time.sleep(_POLL)


def move(side: Side) -> Callable[[Context], int]:
    """The command that moves a mount, and waits until it is there."""

    def run(context: Context) -> int:
        source, target = (path_of(word) for word in context.arguments)
        client = context.client()
        body = {"from": f"{side.under}{source}", "to": f"{side.under}{target}"}
        context.needs(Request("POST", _MOVE), Request("GET", f"{_MOVE}/status/+"))
        try:
            answer = client.write(_MOVE, body, method="POST")
            number = str((answer.get("data") or {}).get("migration_id", ""))
            what = f"moving {side.noun} {source} to {target}, with migration ID {number}"
            context.done(f"Started {what}")
            status = _wait(context, client, number)
        except RemoteError as error:
            raise error.about(f"Error moving {side.noun} {source} to {target}") from error
        if status != "success":
            raise RemoteError(f"Failure {what}")
        return context.done(f"Success! Finished {what}")

    return run


def _wait(context: Context, client: "Client", number: str) -> str:
    with context.progress("Moving") as progress:
        while True:
            found = client.read(f"{_MOVE}/status/{number}").get("data") or {}
            status = str((found.get("migration_info") or {}).get("status", ""))
            if status != "in-progress":
                return status
            progress.show(0, 0)
            time.sleep(_POLL)


WAIT = Flag("wait", "Wait until all data of it is deleted.", Kind.SWITCH)


def changing(side: Side, *more: Flag) -> tuple[Command, ...]:
    """The rows of tune and move."""
    return (
        Command(
            f"{side.group} tune",
            f"Change the settings of a {side.noun}.",
            (Example(
                "Let what it hands out live longer:",
                f"custody {side.group} tune -max-lease-ttl=72h {side.tuned}",
            ),),
            tune(side),
            "PATH",
            (1, 1),
            (*SETTINGS, *more),
        ),
        Command(
            f"{side.group} move",
            f"Move a {side.noun} to another path, and wait until it is there.",
            (Example("Move it:", f"custody {side.group} move {side.moved} elsewhere"),),
            move(side),
            "SOURCE TARGET",
            (2, 2),
        ),
    )  # fmt: skip
