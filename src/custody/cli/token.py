"""`custody token`: make, inspect, renew and revoke tokens."""

from collections.abc import Mapping
from typing import Any

from custody.base.duration import parse_seconds
from custody.cli import token_store
from custody.cli.command import FIELD, FORMAT, HTTP, Command, Context, Example
from custody.cli.errors import RemoteError, UsageError
from custody.cli.flags import Flag, Kind, Options

_ROOT = "auth/token"
_TEXTS = (
    ("id", "id"), ("ttl", "ttl"), ("explicit-max-ttl", "explicit_max_ttl"), ("period", "period"),
    ("display-name", "display_name"), ("type", "type"), ("entity-alias", "entity_alias"),
)  # fmt: skip
_SWITCHES = (
    ("orphan", "no_parent"), ("no-default-policy", "no_default_policy"),
    ("renewable", "renewable"),
)  # fmt: skip
_MODES = ("", "orphan", "path")


def _policies(options: Options) -> list[str]:
    """What -policy says. Raises UsageError where it says nothing.

    No policies are all of the caller's to the server: an empty variable must not ask for them.
    """
    named = options.listed("policy")
    if not named:
        raise UsageError("-policy is empty: name one, or leave it out to give all that you hold")
    return named


def create(context: Context) -> int:
    """Make a token."""
    options = context.options
    body: dict[str, Any] = {name: options.text(flag) for flag, name in _TEXTS if options.has(flag)}
    body |= {name: options.switch(flag) for flag, name in _SWITCHES if options.has(flag)}
    if options.has("policy"):
        body["policies"] = _policies(options)
    if options.has("metadata"):
        body["meta"] = options.pairs("metadata")
    if options.has("use-limit"):
        body["num_uses"] = options.integer("use-limit")
    role = options.text("role")
    path = f"{_ROOT}/create/{role}" if role else f"{_ROOT}/create"
    try:
        answer = context.client().write(path, body, method="POST")
    except RemoteError as error:
        raise error.about("Error creating token") from error
    return context.show_answer(answer)


def lookup(context: Context) -> int:
    """Print what is known of a token; the caller's own without an argument."""
    try:
        answer = _lookup(context)
    except RemoteError as error:
        raise error.about("Error looking up token") from error
    return context.show_answer(answer)


def _lookup(context: Context) -> Mapping[str, Any]:
    token = _token(context)
    client = context.client()
    if not token:
        return client.read(f"{_ROOT}/lookup-self")
    if context.options.switch("accessor"):
        return client.write(f"{_ROOT}/lookup-accessor", {"accessor": token}, method="POST")
    return client.write(f"{_ROOT}/lookup", {"token": token}, method="POST")


def renew(context: Context) -> int:
    """Extend a token's life; the caller's own without an argument."""
    try:
        answer = _renew(context)
    except RemoteError as error:
        raise error.about("Error renewing token") from error
    return context.show_answer(answer)


def _renew(context: Context) -> Mapping[str, Any]:
    token = _token(context)
    body: dict[str, Any] = {}
    if context.options.has("increment"):
        body["increment"] = parse_seconds(context.options.text("increment"))
    client = context.client()
    if not token:
        return client.write(f"{_ROOT}/renew-self", body)
    if context.options.switch("accessor"):
        return client.write(f"{_ROOT}/renew-accessor", {**body, "accessor": token}, method="POST")
    return client.write(f"{_ROOT}/renew", {**body, "token": token})


def _token(context: Context) -> str:
    token = context.arguments[0].strip() if context.arguments else ""
    if context.options.switch("accessor") and not token:
        raise UsageError("Not enough arguments with -accessor (expected 1, got 0)")
    return token


def revoke(context: Context) -> int:
    """Revoke a token and those made with it."""
    path, body = _revocation(context)
    try:
        answer = context.client().write(path, body)
    except RemoteError as error:
        raise error.about("Error revoking token") from error
    context.warn_of(answer)
    if context.options.switch("self") and not context.environment.get("TOKEN"):
        token_store.erase(context.environment)  # it is good for nothing now
    return context.done("Success! Revoked token (if it existed)")


def _revocation(context: Context) -> tuple[str, dict[str, str]]:
    """The path and body of the revocation asked for. Raises UsageError."""
    options = context.options
    own, by_accessor, mode = (
        options.switch("self"),
        options.switch("accessor"),
        options.text("mode"),
    )
    token = context.arguments[0].strip() if context.arguments else ""
    if mode not in _MODES:
        raise UsageError(f"Invalid mode: {mode}")
    if own and (token or by_accessor or mode):
        raise UsageError("Cannot use -self with a token, -accessor or -mode!")
    if by_accessor and mode:
        raise UsageError(f"Cannot use -accessor with -mode={mode}!")
    if not own and not token:
        raise UsageError("Not enough arguments (expected 1 or -self, got 0)")
    if own:
        return f"{_ROOT}/revoke-self", {}
    if by_accessor:
        return f"{_ROOT}/revoke-accessor", {"accessor": token}
    if mode == "path":
        return f"sys/leases/revoke-prefix/{token.strip('/')}", {}
    return f"{_ROOT}/revoke-orphan" if mode else f"{_ROOT}/revoke", {"token": token}


def capabilities(context: Context) -> int:
    """Print what a token may do at a path."""
    *token, path = context.arguments
    body = {"paths": [path]} | ({"token": token[0]} if token else {})
    try:
        answer = context.client().write(
            "sys/capabilities" if token else "sys/capabilities-self", body, method="POST"
        )
    except RemoteError as error:
        raise error.about("Error listing capabilities") from error
    found = sorted((answer.get("data") or {}).get(path) or [])
    if not context.is_table:
        return context.show(found)
    context.console.say(", ".join(found))
    return 0


_ACCESSOR = Flag("accessor", "The argument is a token's accessor.", Kind.SWITCH)

COMMANDS = (
    Command(
        "token create",
        "Make a token.",
        (
            Example("For an hour, with one policy:", "custody token create -policy=web -ttl=1h"),
            Example("Only the token, for a script:", "custody token create -field=token"),
        ),
        create,
        flags=(
            Flag("display-name", "A name for it in the audit log."),
            Flag("entity-alias", "The entity alias to tie it to."),
            Flag("explicit-max-ttl", "The end of its life, whatever renewals.", Kind.DURATION),
            Flag("id", "Its value, instead of a random one. Unsafe."),
            Flag("metadata", "Facts about it.", Kind.PAIRS),
            Flag("no-default-policy", "Do not add the default policy.", Kind.SWITCH),
            Flag("orphan", "It outlives the token that makes it.", Kind.SWITCH),
            Flag("period", "Renewable for ever, each time for this long.", Kind.DURATION),
            Flag("policy", "A policy for it.", Kind.TEXTS),
            Flag("renewable", "Whether it may be renewed.", Kind.SWITCH),
            Flag("role", "The token role to use."),
            Flag("ttl", "Its life.", Kind.DURATION),
            Flag("type", "service or batch."),
            Flag("use-limit", "How often it may be used; 0: no limit.", Kind.INTEGER),
        ),
        shared=HTTP + FORMAT + FIELD,
    ),
    Command(
        "token lookup",
        "Print what is known of a token.",
        (
            Example("Your own:", "custody token lookup"),
            Example(
                "One that you know by its accessor:", "custody token lookup -accessor ACCESSOR"
            ),
        ),
        lookup,
        "[TOKEN | ACCESSOR]",
        (0, 1),
        (_ACCESSOR,),
        HTTP + FORMAT + FIELD,
    ),
    Command(
        "token renew",
        "Extend a token's life.",
        (
            Example("Your own:", "custody token renew"),
            Example("To half an hour from now:", "custody token renew -increment=30m"),
        ),
        renew,
        "[TOKEN | ACCESSOR]",
        (0, 1),
        (
            _ACCESSOR,
            Flag("increment", "For how long, counted from now.", Kind.DURATION, alias="i"),
        ),
        HTTP + FORMAT + FIELD,
    ),
    Command(
        "token revoke",
        "Revoke a token and all that were made with it.",
        (
            Example("Your own:", "custody token revoke -self"),
            Example(
                "One that you know by its accessor:", "custody token revoke -accessor ACCESSOR"
            ),
        ),
        revoke,
        "[TOKEN | ACCESSOR]",
        (0, 1),
        (
            _ACCESSOR,
            Flag("mode", "orphan: not those made with it. path: all tokens under a path."),
            Flag("self", "Revoke the token in use.", Kind.SWITCH),
        ),
    ),
    Command(
        "token capabilities",
        "Print what a token may do at a path.",
        (Example("Your own:", "custody token capabilities secret/data/app"),),
        capabilities,
        "[TOKEN] PATH",
        (1, 2),
    ),
)
