"""`custody operator generate-root`: a root token by the holders of the shares."""

import base64
import secrets
import string
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from custody.cli import output
from custody.cli.command import Command, Context, Example
from custody.cli.errors import RemoteError, UsageError
from custody.cli.flags import Flag, Kind
from custody.cli.prompt import ask, given, share
from custody.cli.rekey import read_pgp_keys
from custody.cli.request import Request

if TYPE_CHECKING:
    from custody.cli.client import Client

_BASE = "sys/generate-root"
_OTP = "One-time password"
_LETTERS = string.ascii_letters + string.digits


def generate_root(context: Context) -> int:
    """Begin, look at or cancel the making of a root token, give a share, or uncover the token."""
    options = context.options
    if options.has("decode"):
        return _decode(context)
    client = context.client().in_root_namespace()
    if options.switch("generate-otp"):
        return _generate_otp(context, client)
    if options.switch("init"):
        return _init(context, client)
    if options.switch("cancel"):
        _ask(client, "DELETE", "attempt", None, "Error canceling root token generation")
        return context.done("Success! Root token generation canceled (if it was started)")
    if not options.switch("status"):
        context.needs(Request("GET", f"{_BASE}/attempt"), Request("PUT", f"{_BASE}/update"))
    failure = "Error getting root generation status"
    status = _ask(client, "GET", "attempt", None, failure)
    if options.switch("status"):
        return _show(context, status)
    return _give(context, client, status)


def _decode(context: Context) -> int:
    """The token, from what the last share printed and the one-time password: without a server."""
    encoded = context.options.text("decode")
    if encoded == "-":
        encoded = context.console.stdin.readline().strip()
    otp = given(context, "otp", _OTP) or ask(context, _OTP)
    try:
        data = base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
    except ValueError:
        raise UsageError("Error decoding root token: it is not base64") from None
    password = otp.reveal().encode(errors="replace")
    if len(data) != len(password):
        raise UsageError("Error decoding root token: the password has another length")
    pairs = zip(data, password, strict=True)
    token = bytes(one ^ other for one, other in pairs).decode(errors="replace")
    if not context.is_table:
        return context.show({"token": token})
    context.console.say(token)
    return 0


def _generate_otp(context: Context, client: "Client") -> int:
    status = _ask(client, "GET", "attempt", None, "Error getting the length of a password")
    length = int(status.get("otp_length") or 0)
    otp = "".join(secrets.choice(_LETTERS) for _ in range(length))
    if not context.is_table:
        return context.show({"otp": otp, "otp_length": length})
    context.console.say(otp)
    return 0


def _init(context: Context, client: "Client") -> int:
    named = context.options.listed("pgp-key")
    otp = given(context, "otp", _OTP)
    body = {
        "otp": otp.reveal() if otp else "",
        "pgp_key": "".join(read_pgp_keys(named[:1])),
    }
    status = _ask(client, "PUT", "attempt", body, "Error initializing root generation")
    if status.get("otp") and context.is_table:
        context.console.warn(output.wrapped(
            "A One-Time-Password has been generated for you and is shown in the OTP field. You"
            " will need this value to decode the resulting root token, so keep it safe."
        ))  # fmt: skip
    return _show(context, status)


def _give(context: Context, client: "Client", status: Mapping[str, Any]) -> int:
    if not status.get("started"):
        raise UsageError(
            "No root generation is in progress. Start a root generation by running"
            ' "custody operator generate-root -init".'
        )
    sent = share(context, "Root generation", str(status.get("nonce", "")))
    body = {"key": sent.share.reveal(), "nonce": sent.nonce}
    return _show(context, _ask(client, "PUT", "update", body, "Error posting unseal key"))


def _ask(
    client: "Client", method: str, path: str, body: Mapping[str, Any] | None, failure: str
) -> Mapping[str, Any]:
    whole = f"{_BASE}/{path}"
    try:
        if method == "GET":
            return client.read(whole)
        if method == "DELETE":
            return client.delete(whole)
        return client.write(whole, body)
    except RemoteError as error:
        raise error.about(failure) from error


def _show(context: Context, status: Mapping[str, Any]) -> int:
    if not context.is_table:
        return context.show(status)
    rows = [
        ("Nonce", status.get("nonce") or "n/a"),
        ("Started", status.get("started")),
        ("Progress", f"{status.get('progress', 0)}/{status.get('required', 0)}"),
        ("Complete", status.get("complete")),
    ]
    named = {"pgp_fingerprint": "PGP Fingerprint", "encoded_token": "Encoded Token", "otp": "OTP",
             "otp_length": "OTP Length"}  # fmt: skip
    rows += [(title, status[name]) for name, title in named.items() if status.get(name)]
    shown = [(title, output.go_text(value)) for title, value in rows]
    context.console.say(output.columns(shown))
    return 0


COMMANDS = (
    Command(
        "operator generate-root",
        "Make a root token. Needs shares and no token.",
        (
            Example("Begin; keep the password that it prints:",
                    "custody operator generate-root -init"),
            Example("Each holder types a share, without echo:", "custody operator generate-root"),
            Example("Uncover the token that the last share printed; the password is asked for:",
                    "custody operator generate-root -decode=ENCODED"),
            Example("The same, with the password in a file:",
                    "custody operator generate-root -decode=ENCODED -otp=@otp.txt"),
            Example("For a holder of a PGP key:",
                    "custody operator generate-root -init -pgp-key=ann.asc"),
        ),
        generate_root,
        "[KEY]",
        (0, 1),
        (
            Flag("cancel", "Cancel it.", Kind.SWITCH),
            Flag("decode", "Print the token that this encoded one hides; - reads it."),
            Flag("generate-otp", "Print a one-time password of the right length.", Kind.SWITCH),
            Flag("init", "Begin it.", Kind.SWITCH),
            Flag("nonce", "The nonce that -init printed; needed where the share is not typed."),
            Flag("otp", "The one-time password that hides the token: @FILE, or - to type or pipe it"
                 " in. Given as it is, other users see it among the processes."),
            Flag("pgp-key", "A file with the public key to encrypt the token to."),
            Flag("status", "Say how it stands.", Kind.SWITCH),
        ),
    ),
)  # fmt: skip
