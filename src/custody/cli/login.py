"""`custody login`: prove who you are, and keep the token for the commands that follow."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from custody.base.secret import Secret
from custody.cli import output, token_store
from custody.cli.command import ANY, FIELD, FORMAT, HTTP, Command, Context, Example
from custody.cli.data import parse_texts
from custody.cli.errors import RemoteError, UsageError
from custody.cli.flags import Flag, Kind
from custody.cli.logical import stdin_of
from custody.cli.prompt import ask
from custody.cli.request import Request

if TYPE_CHECKING:
    from custody.cli.client import Client

_SELF = "auth/token/lookup-self"
Method = Callable[[Context, "Client"], Mapping[str, Any]]


def run(context: Context) -> int:
    """Log in, store the token unless told not to, and print it unless told not to."""
    options = context.options
    only_token = options.switch("token-only")
    store = not (only_token or options.switch("no-store"))
    if options.switch("no-print") and not store:
        raise UsageError("-no-store and -no-print cannot be used together")
    name = options.text("method", "token").strip("/")
    method = METHODS.get(name)
    if method is None:
        raise UsageError(f"Unknown auth method: {name}. Known here: {', '.join(METHODS)}.")
    try:
        answer = method(context, context.client(with_token=False))
    except RemoteError as error:
        raise error.about("Error authenticating") from error
    token = Secret[str]((answer.get("auth") or {}).get("client_token") or "")
    if not token:
        raise RemoteError("Error authenticating: the answer holds no token")
    if store:
        token_store.store(context.environment, token)
        _warn_of_variable(context)
    elif not only_token:
        context.console.warn(output.wrapped(_NOT_STORED) + "\n")
    if options.switch("no-print"):
        return 0
    if only_token:
        return context.show_field(output.auth_fields(answer), "token")
    if store and context.is_table and not options.has("field"):
        context.console.say(output.wrapped(_STORED) + "\n")
    return context.show_answer(answer)


def _with_token(context: Context, client: "Client") -> Mapping[str, Any]:
    """The token itself is the proof: look it up, and answer as a login would."""
    context.needs(Request("GET", _SELF), one=False)
    token = _given_token(context)
    answer = client.with_token(token).preparing().read(_SELF)
    found = answer.get("data") or {}
    own, identity = found.get("policies") or [], found.get("identity_policies") or []
    auth = {
        "client_token": token.reveal(),
        "accessor": found.get("accessor", ""),
        "policies": sorted({*own, *identity}),
        "token_policies": own,
        "identity_policies": identity,
        "metadata": found.get("meta"),
        "lease_duration": found.get("ttl", 0),
        "renewable": found.get("renewable", False),
        "entity_id": found.get("entity_id", ""),
        "token_type": found.get("type", ""),
        "orphan": found.get("orphan", False),
        "num_uses": found.get("num_uses", 0),
    }
    return {**answer, "data": None, "auth": auth}


def _given_token(context: Context) -> Secret[str]:
    words = context.arguments
    if not words:
        return ask(context, "Token")
    if len(words) == 1 and "=" not in words[0] and not words[0].startswith("@"):
        words = (f"token={words[0]}",)
    token = parse_texts(words, stdin_of(context)).get("token", "").strip()
    return Secret(token) if token else ask(context, "Token")


def _warn_of_variable(context: Context) -> None:
    if context.environment.get("TOKEN"):
        context.console.warn(output.wrapped(_VARIABLE_WINS) + "\n")


METHODS: Mapping[str, Method] = {"token": _with_token}

_STORED = (
    "Success! You are now authenticated. The token information displayed below is already stored"
    ' in the token file. You do NOT need to run "custody login" again. Future requests will'
    " automatically use this token."
)
_NOT_STORED = (
    "The token was not stored. Set the CUSTODY_TOKEN environment variable to use it with the"
    " commands that follow."
)
_VARIABLE_WINS = (
    "WARNING! CUSTODY_TOKEN (or BAO_TOKEN or VAULT_TOKEN) is set in the environment and takes"
    " precedence over the token just stored. Unset it to use the stored one."
)

COMMANDS = (
    Command(
        "login",
        "Log in and keep the token.",
        (
            Example("Type a token without echo:", "custody login"),
            Example("Take it from a file:", "custody login token=@token.txt"),
            Example("From standard input:", "cat token.txt | custody login -"),
            Example("Only print the token:", "custody login -token-only"),
        ),
        run,
        "[TOKEN | K=V...]",
        (0, ANY),
        (
            Flag("method", "How to prove who you are: token (the default)."),
            Flag("no-print", "Do not print the token.", Kind.SWITCH),
            Flag("no-store", "Do not store the token.", Kind.SWITCH),
            Flag("token-only", "Print only the token, and do not store it.", Kind.SWITCH),
        ),
        HTTP + FORMAT + FIELD,
    ),
)
