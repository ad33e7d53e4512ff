"""`custody operator rekey` and `rotate-keys`: new shares, by the holders of the present ones.

The same ceremony twice: `rekey` needs no token but the shares, `rotate-keys` wants one beside them.
"""

import base64
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from custody.cli import output
from custody.cli.command import Command, Context, Example
from custody.cli.errors import RemoteError, UsageError
from custody.cli.flags import Flag, Kind
from custody.cli.prompt import share
from custody.cli.request import Request

if TYPE_CHECKING:
    from custody.cli.client import Client

_SHARES, _THRESHOLD = 5, 3
_REKEY = {"barrier": "sys/rekey", "recovery": "sys/rekey-recovery-key"}
_ROTATE = {"barrier": "sys/rotate/root", "recovery": "sys/rotate/recovery"}
_BACKUPS = {"barrier": "sys/rekey/backup", "recovery": "sys/rekey/recovery-key-backup"}
_UNPROTECTED = (
    "WARNING! If you lose the keys after they are returned, there is no recovery. Consider"
    " canceling this operation and re-initializing with the -pgp-keys flag to protect the returned"
    " unseal keys along with -backup to allow recovery of the encrypted keys in case of emergency."
    " You can delete the backed up keys later using the -backup-delete flag."
)
_UNVERIFIED = (
    "Again, these key shares are _not_ valid until verification is performed. Do not lose or"
    " discard your current key shares until after verification is complete or you will be unable"
    " to unseal Vault. If you cancel the rekey process or seal Vault before verification is"
    " complete the new shares will be discarded and the current shares will remain valid."
)


def rekey(context: Context) -> int:
    """Begin, look at, cancel or verify a rekey, or give one share for it."""
    return _run(context, _REKEY, "rekey")


def rotate_keys(context: Context) -> int:
    """The same by the paths that want a token."""
    return _run(context, _ROTATE, "rotate-keys")


def read_pgp_keys(names: Sequence[str]) -> list[str]:
    """The public keys in these files (binary, base64 or armoured), in base64. Raises UsageError."""
    return [_read_pgp_key(name) for name in names]


def _run(context: Context, bases: Mapping[str, str], command: str) -> int:
    options = context.options
    target = options.text("target", "barrier")
    if target not in bases:
        raise UsageError('-target is "barrier" or "recovery"')
    wish = next((name for name in _ACTIONS if options.switch(name)), "")
    client = context.client().in_root_namespace()
    run = _Run(context, client, bases[target], _BACKUPS[target], command)
    if options.switch("verify") and wish != "init":
        return run.verify(wish)
    actions = {"init": run.init, "cancel": run.cancel, "status": run.status,
               "backup-retrieve": run.retrieve, "backup-delete": run.delete}  # fmt: skip
    return actions.get(wish, run.give)()


class _Run:
    """One run of either command."""

    def __init__(
        self, context: Context, client: "Client", base: str, backups: str, command: str
    ) -> None:
        self._context = context
        self._client = client
        self._base = base
        self._backups = backups
        self._command = command

    def init(self) -> int:
        """Begin."""
        options = self._context.options
        shares, threshold = options.integer("key-shares"), options.integer("key-threshold")
        keys = read_pgp_keys(options.listed("pgp-keys"))
        body = {
            "secret_shares": _SHARES if shares is None else shares,
            "secret_threshold": _THRESHOLD if threshold is None else threshold,
            "pgp_keys": keys,
            "backup": options.switch("backup"),
            "require_verification": options.switch("verify"),
        }
        status = self._ask("PUT", "init", body, "Error initializing rekey")
        if not keys and self._context.is_table:
            self._context.console.warn(output.wrapped(_UNPROTECTED))
        return self._show(status)

    def cancel(self) -> int:
        """Forget it."""
        self._ask("DELETE", "init", None, "Error canceling rekey")
        return self._context.done("Success! Canceled rekeying (if it was started)")

    def status(self) -> int:
        """Say how it stands."""
        return self._show(self._ask("GET", "init", None, "Error reading rekey status"))

    def give(self) -> int:
        """Give one present share."""
        self._needs("init", "update")
        status = self._ask("GET", "init", None, "Error getting rekey status")
        if not status.get("started"):
            raise UsageError(
                "No rekey is in progress. Start a rekey process by running"
                f' "custody operator {self._command} -init".'
            )
        answer = self._give("update", "Rekey", status)
        if not answer.get("complete"):
            return self._show(answer)
        return self._show_shares(answer, status)

    def verify(self, wish: str) -> int:
        """Give one new share, or look at the verification, or begin it again."""
        if wish == "cancel":
            self._ask("DELETE", "verify", None, "Error canceling verification")
            return self._context.done("Success! Canceled rekey verification")
        if wish != "status":
            self._needs("verify", "verify")
        status = self._ask("GET", "verify", None, "Error getting rekey verification status")
        if wish == "status":
            return self._show_verification(status)
        if not status.get("started"):
            raise UsageError("No rekey verification is in progress.")
        answer = self._give("verify", "Rekey verification", status)
        if not answer.get("complete"):
            return self._show_verification(answer)
        return self._context.done(output.wrapped(
            "Rekey verification successful. The rekey operation is complete and the new keys are"
            " now active."
        ))  # fmt: skip

    def retrieve(self) -> int:
        """Print the kept copies."""
        try:
            answer = self._client.read(self._backups)
        except RemoteError as error:
            raise error.about("Error retrieving rekey backed up keys") from error
        return self._context.show_answer(answer)

    def delete(self) -> int:
        """Keep no copies."""
        try:
            self._client.delete(self._backups)
        except RemoteError as error:
            raise error.about("Error deleting rekey backed up keys") from error
        return self._context.done("Success! Delete backed up keys (if they existed)")

    def _needs(self, read: str, written: str) -> None:
        base = self._base
        self._context.needs(Request("GET", f"{base}/{read}"), Request("PUT", f"{base}/{written}"))

    def _give(self, path: str, operation: str, status: Mapping[str, Any]) -> Mapping[str, Any]:
        nonce = str(status.get("nonce", ""))
        sent = share(self._context, operation, nonce)
        body = {"key": sent.share.reveal(), "nonce": sent.nonce}
        return self._ask("PUT", path, body, f"Error posting unseal key for {operation.lower()}")

    def _ask(
        self, method: str, path: str, body: Mapping[str, Any] | None, failure: str
    ) -> Mapping[str, Any]:
        whole = f"{self._base}/{path}"
        try:
            if method == "GET":
                answer = self._client.read(whole)
            elif method == "DELETE":
                answer = self._client.delete(whole)
            else:
                answer = self._client.write(whole, body)
        except RemoteError as error:
            raise error.about(failure) from error
        data = answer.get("data")
        return data if isinstance(data, dict) else answer

    def _show(self, status: Mapping[str, Any]) -> int:
        if not self._context.is_table:
            return self._context.show(status)
        rows = [("Nonce", status.get("nonce") or "n/a"), ("Started", status.get("started"))]
        if status.get("started"):
            rows += [
                ("Progress", f"{status.get('progress', 0)}/{status.get('required', 0)}"),
                ("New Shares", status.get("n")),
                ("New Threshold", status.get("t")),
                ("Verification Required", status.get("verification_required")),
            ]
            if status.get("verification_nonce"):
                rows.append(("Verification Nonce", status["verification_nonce"]))
        if status.get("pgp_fingerprints"):
            rows += [("PGP Fingerprints", status["pgp_fingerprints"]),
                     ("Backup", status.get("backup"))]  # fmt: skip
        return self._print(rows)

    def _show_verification(self, status: Mapping[str, Any]) -> int:
        if not self._context.is_table:
            return self._context.show(status)
        return self._print([
            ("Started", status.get("started")),
            ("New Shares", status.get("n")),
            ("New Threshold", status.get("t")),
            ("Verification Nonce", status.get("nonce")),
            ("Verification Progress", f"{status.get('progress', 0)}/{status.get('t', 0)}"),
        ])  # fmt: skip

    def _print(self, rows: list[tuple[str, Any]]) -> int:
        return self._context.show_columns(
            "Key | Value", ([title, output.go_text(value)] for title, value in rows)
        )

    def _show_shares(self, answer: Mapping[str, Any], status: Mapping[str, Any]) -> int:
        if not self._context.is_table:
            return self._context.show(answer)
        say, warn = self._context.console.say, self._context.console.warn
        prints = answer.get("pgp_fingerprints") or []
        for number, key in enumerate(answer.get("keys_base64") or (), 1):
            holder = f" fingerprint: {prints[number - 1]}; value" if prints else ""
            say(f"Key {number}{holder}: {key}")
        say(f"\nOperation nonce: {answer.get('nonce', '')}\n")
        shares, threshold = status.get("n", 0), status.get("t", 0)
        if not answer.get("verification_required"):
            say(output.wrapped(
                f"Vault unseal keys rekeyed to {shares} key shares and a key threshold of"
                f" {threshold}. Please securely distribute the key shares printed above. When Vault"
                f" is re-sealed, restarted, or stopped, you must supply at least {threshold} of"
                " these keys to unseal it before it can start servicing requests."
            ))  # fmt: skip
            return 0
        say(output.wrapped(
            f"Vault has created a new unseal key, split into {shares} key shares and a key"
            f" threshold of {threshold}. These will not be active until after verification is"
            " complete. Please securely distribute the key shares printed above."
        ) + "\n")  # fmt: skip
        warn(output.wrapped(_UNVERIFIED))
        return self._show_verification(
            {"started": True, "n": shares, "t": threshold, "nonce": answer["verification_nonce"]}
        )


def _read_pgp_key(name: str) -> str:
    if name.startswith("keybase:"):
        raise UsageError(f"{name}: keys are read from files; export the key to one first")
    try:
        data = Path(name.removeprefix("@")).read_bytes()
    except OSError as error:
        raise UsageError(f"cannot read the PGP key {name}: {error.strerror}") from error
    try:
        return base64.b64encode(base64.b64decode(b"".join(data.split()), validate=True)).decode()
    except ValueError:
        return base64.b64encode(data).decode()


_ACTIONS = ("init", "cancel", "status", "backup-retrieve", "backup-delete")
_FLAGS = (
    Flag("backup", "Keep the PGP-encrypted shares in the server, too.", Kind.SWITCH),
    Flag("backup-delete", "Delete the kept shares.", Kind.SWITCH),
    Flag("backup-retrieve", "Print the kept shares.", Kind.SWITCH),
    Flag("cancel", "Cancel it; the present shares stay valid.", Kind.SWITCH),
    Flag("init", "Begin it.", Kind.SWITCH),
    Flag("key-shares", f"Into how many shares the new key is split (default {_SHARES}).",
         Kind.INTEGER, alias="n"),
    Flag("key-threshold", f"How many of them unseal (default {_THRESHOLD}).",
         Kind.INTEGER, alias="t"),
    Flag("nonce", "The nonce that -init printed; needed where the share is not typed."),
    Flag("pgp-keys", "Files with the public keys of the holders, in order.", Kind.TEXTS),
    Flag("status", "Say how it stands.", Kind.SWITCH),
    Flag("target", "Which key: barrier (the default) or recovery.",
         choices=("barrier", "recovery")),
    Flag("verify", "With -init: want the new shares to be proved. Without: prove one.",
         Kind.SWITCH),
)  # fmt: skip


def _examples(command: str) -> tuple[Example, ...]:
    return (
        Example("Begin, and have the new shares proved before they count:",
                f"custody operator {command} -init -key-shares=5 -key-threshold=3 -verify"),
        Example("Each holder types a present share, without echo:", f"custody operator {command}"),
        Example("Then each types a new one:", f"custody operator {command} -verify"),
        Example("Encrypt each share to its holder:",
                f"custody operator {command} -init -n=2 -t=2 -pgp-keys=ann.asc,bob.asc -backup"),
    )  # fmt: skip


COMMANDS = (
    Command(
        "operator rekey",
        "Make new shares of the unseal or recovery key. Needs shares and no token.",
        _examples("rekey"),
        rekey,
        "[KEY]",
        (0, 1),
        _FLAGS,
    ),
    Command(
        "operator rotate-keys",
        "Make new shares of the unseal or recovery key. Needs shares and a token.",
        _examples("rotate-keys"),
        rotate_keys,
        "[KEY]",
        (0, 1),
        _FLAGS,
    ),
)
