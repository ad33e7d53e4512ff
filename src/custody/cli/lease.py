"""`custody lease`: look up, renew and revoke leases."""

from typing import Any

from custody.base.duration import parse_seconds
from custody.cli.command import FIELD, FORMAT, HTTP, Command, Context, Example
from custody.cli.errors import RemoteError, UsageError
from custody.cli.flags import Flag, Kind


def lookup(context: Context) -> int:
    """Print what is known of a lease."""
    name = context.arguments[0].strip()
    try:
        answer = context.client().write("sys/leases/lookup", {"lease_id": name})
    except RemoteError as error:
        raise error.about(f"error looking up lease id {name}") from error
    return context.show_answer(answer)


def renew(context: Context) -> int:
    """Extend a lease."""
    name = context.arguments[0].strip()
    body: dict[str, Any] = {"lease_id": name}
    if context.options.has("increment"):
        body["increment"] = parse_seconds(context.options.text("increment"))
    try:
        answer = context.client().write("sys/leases/renew", body)
    except RemoteError as error:
        raise error.about(f"Error renewing {name}") from error
    return context.show_answer(answer)


def revoke(context: Context) -> int:
    """Revoke a lease, or all under a path with the tokens that were made there."""
    options, name = context.options, context.arguments[0].strip()
    by_path, force, sync = (options.switch(flag) for flag in ("prefix", "force", "sync"))
    if force and not by_path:
        raise UsageError("Specifying -force requires also specifying -prefix")
    if force:
        context.console.warn(
            "Warning! Force-removing leases can leave behind what the engine made outside!"
        )
    done = f"Success! Revoked lease: {name}"
    path, body = "sys/leases/revoke", {"lease_id": name, "sync": sync}
    if by_path:
        path, body = f"sys/leases/revoke-prefix/{name.strip('/')}", {"sync": sync}
        done = f"Success! Revoked any leases with prefix: {name}"
    if force:
        path = f"sys/leases/revoke-force/{name.strip('/')}"
        done = f"Success! Force revoked any leases with prefix: {name}"
    try:
        context.client().write(path, body)
    except RemoteError as error:
        raise error.about(
            f"Error revoking {'leases with prefix' if by_path else 'lease'} {name}"
        ) from error
    return context.done(done if sync or force else "All revocation operations queued successfully!")


COMMANDS = (
    Command(
        "lease lookup",
        "Print what is known of a lease.",
        (Example("When it ends:", "custody lease lookup database/creds/app/2f6a614c"),),
        lookup,
        "ID",
        (1, 1),
        shared=HTTP + FORMAT + FIELD,
    ),
    Command(
        "lease renew",
        "Extend a lease.",
        (Example("By an hour:", "custody lease renew -increment=1h database/creds/app/2f6a614c"),),
        renew,
        "ID",
        (1, 1),
        (Flag("increment", "For how long, counted from now.", Kind.DURATION, alias="i"),),
        HTTP + FORMAT + FIELD,
    ),
    Command(
        "lease revoke",
        "Revoke a lease and the secret that came with it.",
        (
            Example("One:", "custody lease revoke database/creds/app/2f6a614c"),
            Example("All under a path:", "custody lease revoke -prefix database/creds/app"),
            Example("All tokens of a role:", "custody lease revoke -prefix auth/token/create/ci"),
        ),
        revoke,
        "ID",
        (1, 1),
        (
            Flag("force", "Forget them even if the engine cannot revoke.", Kind.SWITCH, alias="f"),
            Flag(
                "prefix",
                "The argument is a path: all leases under it, and the tokens that were made there.",
                Kind.SWITCH,
            ),
            Flag("sync", "Wait until it is done.", Kind.SWITCH),
        ),
    ),
)
