"""`custody operator`: initialise, unseal, seal, encryption key, and a check of what is stored."""

from collections.abc import Mapping
from typing import Any

from custody.cli import output
from custody.cli.command import FIELD, FORMAT, HTTP, Command, Context, Example
from custody.cli.errors import RemoteError, UsageError
from custody.cli.flags import Flag, Kind
from custody.cli.prompt import ask
from custody.cli.rekey import read_pgp_keys
from custody.cli.request import Request
from custody.cli.status import key_status_rows, show

_SHARES, _THRESHOLD = 5, 3
_SPLITTING = {
    "key-shares": "secret_shares", "key-threshold": "secret_threshold",
    "recovery-shares": "recovery_shares", "recovery-threshold": "recovery_threshold",
}  # fmt: skip
_UNINITIALISED = 2  # exit code of init -status
_FOUND = 2  # exit code of verify
_VERIFY_SECONDS = 660.0  # the server gives each part ten minutes


def init(context: Context) -> int:
    """Initialise the server, and print the shares and the root token this one time."""
    if context.options.switch("status"):
        return _init_status(context)
    try:
        client = context.client()
        recovers = bool(client.preparing().read("sys/seal-status").get("recovery_seal"))
        body = _wish(context, recovers=recovers)
        answer = client.write("sys/init", body)
    except RemoteError as error:
        raise error.about("Error initializing") from error
    if not context.is_table:
        return context.show(_for_machines(answer, body))
    _print_init(context, answer, body)
    return 0


def _wish(context: Context, *, recovers: bool) -> dict[str, Any]:
    """The request: recovery shares under an automatic seal, else shares of the unseal key."""
    options = context.options
    kind = "recovery" if recovers else "secret"
    body: dict[str, Any] = {f"{kind}_shares": _SHARES, f"{kind}_threshold": _THRESHOLD}
    # What is not for this kind of seal is sent all the same: the server refuses it.
    for flag, name in _SPLITTING.items():
        if options.has(flag):
            body[name] = options.integer(flag)
    for flag, name in (("pgp-keys", "pgp_keys"), ("recovery-pgp-keys", "recovery_pgp_keys")):
        if options.has(flag):
            body[name] = read_pgp_keys(options.listed(flag))
    if options.has("root-token-pgp-key"):
        body["root_token_pgp_key"] = read_pgp_keys([options.text("root-token-pgp-key")])[0]
    return body


def _init_status(context: Context) -> int:
    try:
        initialised = bool(context.client().read("sys/init").get("initialized"))
    except RemoteError as error:
        # 2 is taken here: it means "not initialised".
        raise UsageError(f"Error checking init status: {error}") from error
    if context.is_table:
        context.console.say(f"Vault is {'' if initialised else 'not '}initialized")
    else:
        context.show({"initialized": initialised})
    return 0 if initialised else _UNINITIALISED


def _for_machines(answer: Mapping[str, Any], body: Mapping[str, Any]) -> dict[str, Any]:
    """The form that scripts for Vault know."""
    return {
        "unseal_keys_b64": answer.get("keys_base64") or [],
        "unseal_keys_hex": answer.get("keys") or [],
        "unseal_shares": body.get("secret_shares", 1),
        "unseal_threshold": body.get("secret_threshold", 1),
        "recovery_keys_b64": answer.get("recovery_keys_base64") or [],
        "recovery_keys_hex": answer.get("recovery_keys") or [],
        "recovery_keys_shares": body.get("recovery_shares", 0),
        "recovery_keys_threshold": body.get("recovery_threshold", 0),
        "root_token": answer.get("root_token", ""),
    }


def _print_init(context: Context, answer: Mapping[str, Any], body: Mapping[str, Any]) -> None:
    say = context.console.say
    named = (
        ("Unseal", answer.get("keys_base64")),
        ("Recovery", answer.get("recovery_keys_base64")),
    )
    for what, keys in named:
        for number, key in enumerate(keys or (), 1):
            say(f"{what} Key {number}: {key}")
    say(f"\nInitial Root Token: {answer.get('root_token', '')}\n")
    if "recovery_shares" in body:
        _print_recovery(context, body["recovery_shares"], body["recovery_threshold"])
        return
    shares, threshold = body["secret_shares"], body["secret_threshold"]
    say(output.wrapped(
        f"Vault initialized with {shares} key shares and a key threshold of {threshold}. Please"
        " securely distribute the key shares printed above. When the server is re-sealed,"
        f" restarted, or stopped, you must supply at least {threshold} of these keys to unseal it"
        " before it can start servicing requests."
    ))  # fmt: skip
    say("\n" + output.wrapped(
        "The root key is not stored outside the seal. Without at least"
        f" {threshold} keys to reconstruct it, the server will remain permanently sealed!"
    ))  # fmt: skip


def _print_recovery(context: Context, shares: int, threshold: int) -> None:
    say = context.console.say
    say("Success! Vault is initialized\n")
    if not shares:
        say(output.wrapped(
            "There are no recovery keys: if the seal's key is lost, so is everything stored."
        ))  # fmt: skip
        return
    say(output.wrapped(
        f"Recovery key initialized with {shares} key shares and a key threshold of {threshold}."
        " Please securely distribute the key shares printed above. With them the server opens"
        " even when the seal's key is gone for good."
    ))  # fmt: skip


def unseal(context: Context) -> int:
    """Give one share of the unseal key, and print how many are still missing."""
    if context.options.switch("reset"):
        body: dict[str, Any] = {"reset": True}
    else:
        given = context.arguments[0].strip() if context.arguments else ""
        body = {"key": given or ask(context, "Unseal Key").reveal()}
        if context.options.switch("migrate"):
            body["migrate"] = True
    client = context.client().in_root_namespace()
    try:
        status = client.write("sys/unseal", body)
        return show(context, client, status)
    except RemoteError as error:
        raise error.about("Error unsealing") from error


def seal(context: Context) -> int:
    """Seal the server."""
    try:
        context.client().in_root_namespace().write("sys/seal")
    except RemoteError as error:
        raise error.about("Error sealing") from error
    return context.done("Success! Vault is sealed.")


def rotate(context: Context) -> int:
    """Add a new encryption key; older ones still open what they sealed."""
    context.needs(Request("PUT", "sys/rotate"), Request("GET", "sys/key-status"))
    try:
        context.client().write("sys/rotate")
    except RemoteError as error:
        raise error.about("Error rotating key") from error
    if context.is_table:
        context.console.say("Success! Rotated key\n")
    return key_status(context)


def key_status(context: Context) -> int:
    """Print the state of the encryption key."""
    try:
        answer = context.client().read("sys/key-status")
    except RemoteError as error:
        raise error.about("Error reading key status") from error
    status = answer.get("data") or answer
    if not context.is_table:
        return context.show(status)
    context.console.say(output.columns(key_status_rows(status)))
    return 0


def verify(context: Context) -> int:
    """Check everything stored, part by part; 2 when something is wrong or was not finished."""
    only_last = context.options.switch("status")
    checks = () if only_last else (Request("PUT", "sys/verify"),)
    context.needs(Request("GET", "sys/verify"), *checks)
    client = context.client().patient(_VERIFY_SECONDS)
    try:
        last = client.read("sys/verify").get("data") or {}
        if only_last:
            return _verified(context, last, f"Last check: {_state(last)}.")
        whole: dict[str, Any] = {"rows": 0, "found": 0, "findings": [], "unfinished": []}
        parts = last.get("parts") or ()
        with context.progress("Checking") as progress:
            for number, part in enumerate(parts):
                progress.show(number, len(parts), str(part))
                answer = client.write("sys/verify", {"parts": [part]}).get("data") or {}
                whole = {
                    name: value + answer.get(name, type(value)()) for name, value in whole.items()
                }
    except RemoteError as error:
        raise error.about("Error verifying") from error
    return _verified(context, whole, f"{whole['rows']} rows checked.")


def _state(last: Mapping[str, Any]) -> str:
    state = str(last.get("state", ""))
    if state == "running":
        return f"running since {last.get('started_time', '')}, at {last.get('part', '')}"
    return f"finished {last.get('finished_time', '')}" if state == "finished" else "none yet"


def _verified(context: Context, result: Mapping[str, Any], summary: str) -> int:
    findings, unfinished = result.get("findings") or (), result.get("unfinished") or ()
    code = _FOUND if result.get("found") or unfinished else 0
    if not context.is_table:
        context.show(result)
        return code
    if findings:
        names = ("table", "key", "reason")
        rows = ([str(finding.get(name, "")) for name in names] for finding in findings)
        context.show_columns("Table | Key | Finding", rows)
        context.console.say("")
    if unfinished:
        context.console.say(f"Not checked to the end: {', '.join(map(str, unfinished))}")
    context.console.say(f"{summary} Findings: {result.get('found', 0)}")
    return code


COMMANDS = (
    Command(
        "operator init",
        "Initialise the server. The shares and the root token are printed once.",
        (
            Example("Five shares, any three of which unseal:", "custody operator init"),
            Example("A single share, for development:",
                    "custody operator init -key-shares=1 -key-threshold=1"),
            Example("Under an automatic seal, shares for when its key is lost:",
                    "custody operator init -recovery-shares=5 -recovery-threshold=3"),
            Example("Is it initialised? 0 yes, 2 no, 1 error:", "custody operator init -status"),
        ),
        init,
        flags=(
            Flag("key-shares", f"Into how many shares the key is split (default {_SHARES}).",
                 Kind.INTEGER, alias="n"),
            Flag("key-threshold", f"How many of them unseal (default {_THRESHOLD}).",
                 Kind.INTEGER, alias="t"),
            Flag("pgp-keys", "Files with the public keys of the holders, in order.", Kind.TEXTS),
            Flag("recovery-pgp-keys", "The same for the recovery key's shares.", Kind.TEXTS),
            Flag("recovery-shares", "Under an automatic seal: into how many shares the recovery"
                 f" key is split (default {_SHARES}; 0: there is none).", Kind.INTEGER),
            Flag("recovery-threshold", f"How many of them recover (default {_THRESHOLD}).",
                 Kind.INTEGER),
            Flag("root-token-pgp-key", "A file with the public key to encrypt the root token to."),
            Flag("status", "Only say whether it is initialised.", Kind.SWITCH),
        ),
    ),
    Command(
        "operator unseal",
        "Give one share of the unseal key.",
        (
            Example("Type a share without echo:", "custody operator unseal"),
            Example("Begin again:", "custody operator unseal -reset"),
        ),
        unseal,
        "[KEY]",
        (0, 1),
        (
            Flag("migrate", "Move to the seal in the server's configuration.", Kind.SWITCH),
            Flag("reset", "Forget the shares given so far.", Kind.SWITCH),
        ),
        HTTP + FORMAT + FIELD,
    ),
    Command(
        "operator seal",
        "Seal the server: it answers nothing until it is unsealed.",
        (Example("In an emergency:", "custody operator seal"),),
        seal,
    ),
    Command(
        "operator rotate",
        "Add a new encryption key for what is written from now on.",
        (Example("Rotate:", "custody operator rotate"),),
        rotate,
    ),
    Command(
        "operator key-status",
        "Print the state of the encryption key.",
        (Example("Its number and age:", "custody operator key-status"),),
        key_status,
    ),
    Command(
        "operator verify",
        "Check that everything stored is what was written. Exit code 2: it is not.",
        (
            Example("Check now; the server goes on serving:", "custody operator verify"),
            Example("What the daily check has found:", "custody operator verify -status"),
        ),
        verify,
        flags=(Flag("status", "Show the last background check instead.", Kind.SWITCH),),
    ),
)  # fmt: skip
