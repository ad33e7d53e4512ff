"""`sys/rekey*` and `sys/rotate/root|recovery/*`: new shares by the holders of the present ones.

One ceremony under two spellings: Vault's paths, which any holder of a share may call without a
token, and OpenBao's, which want one. State and keys are the custodian's.
"""

import base64
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final, NoReturn

from custody.base.errors import BadRequest, UnsupportedOperation
from custody.base.store import Transaction
from custody.core import backup, ceremony, sealing
from custody.core.act import Act
from custody.core.ceremony import Rekeying, Target
from custody.core.confine import SystemRows, SystemTransaction
from custody.plugin.fields import Fields, Strings
from custody.plugin.request import Reply, Request
from custody.plugin.route import KIB, Access, Op, Route, acts, reads, writes
from custody.system import holders
from custody.system.ceremony_shapes import (
    Backup,
    BaoIdle,
    BaoRekey,
    BaoShares,
    VaultRekey,
    VaultShares,
    VaultStarted,
    Verification,
    Verified,
)
from custody.system.share import decode_share

_MAX_BODY: Final = 1024 * KIB  # 255 PGP keys of some KiB
_ROTATION: Final = (
    ("rekey already in progress", "rotation already in progress"),
    ("rekey operation already finished", "rotation already finished"),
    ("nonce for this rekey operation is", "nonce for rotation is"),
    ("no barrier rekey in progress", "no rotation in progress"),
    ("no recovery rekey in progress", "no rotation in progress"),
    ("no rekey configuration found", "no rotation configuration found"),
    ("no rekey in progress", "no rotation in progress"),
    ("invalid rekey seal", "invalid rotate seal"),
    ("for rekey", "for rotation"),
    ("rekey verification", "rotation verification"),
)


class StartFields(Fields, frozen=True, kw_only=True):
    """Into how many shares the new key is split, and how they are delivered."""

    secret_shares: Annotated[int, "Into how many shares the new key is split, from 1 to 255."] = 0
    secret_threshold: Annotated[
        int, "How many of them are enough; at least 2 where there are several."
    ] = 0
    stored_shares: Annotated[int, "Taken from old clients; it says nothing."] = 0
    pgp_keys: Annotated[
        Strings, "Public keys in base64, one for each share, which is encrypted to its own."
    ] = Strings()
    backup: Annotated[bool, "Whether the encrypted shares are also kept by the server."] = False
    require_verification: Annotated[
        bool, "Whether the new shares count only after enough of them were shown."
    ] = False


class ShareFields(Fields, frozen=True, kw_only=True):
    """One share, for the attempt of that nonce."""

    key: Annotated[str, "One share, in hex or base64."] = ""
    nonce: Annotated[str, "Of the attempt for which it is given."] = ""


@dataclass(frozen=True, slots=True)
class _Paths:
    """The handlers of one target under one spelling."""

    target: Target
    rotation: bool  # OpenBao's spelling

    async def look(self, _request: Request, act: Act) -> Reply:
        """How the rekey stands."""
        return Reply(data=self._status(await self._take(act, ceremony.LookAtRekey(self.target))))

    async def start(self, request: Request, act: Act) -> Reply:
        """Begin a rekey; the present shares are valid until its end."""
        body: StartFields = request.body
        if body.backup and not body.pgp_keys:
            self._refuse(
                "cannot request a backup of the new keys without providing PGP keys for encryption"
            )
        if body.pgp_keys and len(body.pgp_keys) != body.secret_shares:
            self._refuse("incorrect number of PGP keys for rekey")
        found = holders.fingerprints(
            body.pgp_keys, self._worded("invalid rekey seal configuration: ")
        )
        step = ceremony.StartRekey(
            target=self.target,
            shares=body.secret_shares,
            threshold=body.secret_threshold,
            pgp_keys=tuple(body.pgp_keys),
            fingerprints=found,
            backup=body.backup,
            verify=body.require_verification,
        )
        return Reply(data=self._status(await self._take(act, step)))

    async def cancel(self, _request: Request, act: Act) -> None:
        """Forget the rekey; the present shares stay valid."""
        await self._take(act, ceremony.CancelRekey(self.target))

    async def update(self, request: Request, act: Act) -> Reply:
        """Give one present share; the last one makes the new shares."""
        share, nonce = self._share(request)
        desk = _Delivering(self.target)
        step = ceremony.GiveRekeyShare(self.target, share, nonce)
        stands = await self._take(act, step, desk)
        if not stands.authorised:
            return Reply(data=self._status(stands))
        made = desk.deliver(stands)
        data: dict[str, Any] = {
            "nonce": stands.nonce,
            "complete": True,
            "keys": made.hex,
            "keys_base64": made.base64,
            "pgp_fingerprints": list(stands.fingerprints) or None,
            "backup": stands.backup,
            "verification_required": stands.verify,
        }
        return Reply(data=data | self._verification(stands))

    async def look_at_verification(self, _request: Request, act: Act) -> Reply:
        """How the verification of the new shares stands."""
        stands = await self._take(act, ceremony.LookAtRekey(self.target))
        if not stands.started:
            self._refuse("no rekey configuration found")
        return Reply(data=_verification_status(stands))

    async def verify(self, request: Request, act: Act) -> Reply:
        """Give one new share; once enough were given, the new ones are valid."""
        share, nonce = self._share(request)
        stands = await self._take(act, ceremony.VerifyShare(self.target, share, nonce))
        if stands.complete:
            return Reply(data={"nonce": stands.verification_nonce, "complete": True})
        return Reply(data=_verification_status(stands))

    async def restart_verification(self, _request: Request, act: Act) -> Reply:
        """Forget the new shares that were given."""
        stands = await self._take(act, ceremony.RestartVerification(self.target))
        return Reply(data=_verification_status(stands))

    def read_backup(self, _request: Request, rows: SystemRows) -> Reply:
        """The kept copies of the PGP-encrypted shares."""
        kept = backup.read(rows.rows, self.target)
        if kept is None:
            raise BadRequest("no backed-up keys found")
        in_base64 = {holder: _base64_of(texts) for holder, texts in kept.keys.items()}
        return Reply(data={"nonce": kept.nonce, "keys": kept.keys, "keys_base64": in_base64})

    def remove_backup(self, _request: Request, txn: SystemTransaction) -> None:
        """Keep no copies any longer."""
        backup.remove(txn.txn, self.target)

    async def _take(
        self, act: Act, step: ceremony.AnyStep, desk: "_Delivering | None" = None
    ) -> Rekeying:
        if not self.rotation and act.parts.settings.closed_rekey:
            raise UnsupportedOperation
        prepare = (desk or _Delivering(self.target)).prepare
        try:
            return await sealing.rekey(act.parts, step, act.commit, prepare)
        except BadRequest as error:
            self._refuse(error.messages[0])

    def _share(self, request: Request) -> tuple[bytes, str]:
        body: ShareFields = request.body
        if not body.key:
            raise BadRequest(
                "missing required field 'key'"
                if self.rotation
                else "'key' must be specified in request body as JSON"
            )
        return decode_share(body.key), body.nonce

    def _status(self, stands: Rekeying) -> dict[str, Any]:
        data: dict[str, Any] = {
            "started": stands.started,
            "t": stands.threshold,
            "n": stands.shares,
            "required": stands.required,
        }
        if self.rotation and not stands.started:
            return data
        data |= {
            "nonce": stands.nonce,
            "progress": stands.progress,
            "verification_required": stands.verify,
        }
        if not self.rotation or stands.fingerprints:
            data |= {
                "pgp_fingerprints": list(stands.fingerprints) or None,
                "backup": stands.backup,
            }
        return data | self._verification(stands)

    def _verification(self, stands: Rekeying) -> dict[str, Any]:
        if self.rotation or stands.verification_nonce:
            return {"verification_nonce": stands.verification_nonce}
        return {}

    def _refuse(self, text: str) -> NoReturn:
        raise BadRequest(self._worded(text)) from None

    def _worded(self, text: str) -> str:
        if self.rotation:
            for words, others in _ROTATION:
                text = text.replace(words, others)
        return text

    def routes(self, base: str, backups: str) -> Iterable[Route]:
        """The rows of the table: below `base`, and where the copies are."""
        access = Access.AUTHENTICATED if self.rotation else Access.PUBLIC
        raw, what = not self.rotation, f"{self.target} key"
        started: Any = BaoRekey if self.rotation else VaultStarted
        stands: Any = BaoRekey | BaoIdle if self.rotation else VaultRekey
        made: Any = BaoShares if self.rotation else VaultShares
        return (
            Route(
                f"{base}/init",
                {
                    Op.READ: acts(self.look, shows=stands),
                    Op.WRITE: acts(self.start, StartFields, shows=started),
                    Op.DELETE: acts(self.cancel),
                },
                access=access, raw=raw, max_body=_MAX_BODY,
                help=f"Begin a rekey of the {what}; how it stands; cancel it.",
            ),
            Route(
                f"{base}/update",
                {Op.WRITE: acts(self.update, ShareFields, shows=started | made)},
                access=access, raw=raw,
                help=f"Give one present share for a rekey of the {what}.",
            ),
            Route(
                f"{base}/verify",
                {
                    Op.READ: acts(self.look_at_verification, shows=Verification),
                    Op.WRITE: acts(self.verify, ShareFields, shows=Verification | Verified),
                    Op.DELETE: acts(self.restart_verification, shows=Verification),
                },
                access=access, raw=raw,
                help=f"Prove that the new shares of the {what} have arrived.",
            ),
            Route(
                backups,
                {
                    Op.READ: reads(self.read_backup, shows=Backup),
                    Op.DELETE: writes(self.remove_backup),
                },
                top=True,
                help=f"Kept copies of PGP-encrypted shares of the {what}.",
            ),
        )  # fmt: skip


class _Delivering:
    """Makes the texts for the holders before the new shares count: a PGP key may still fail."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._made: holders.Delivery | None = None

    def deliver(self, stands: Rekeying) -> holders.Delivery:
        """The new shares as the answer shows them, the same each time."""
        if self._made is None:
            self._made = holders.deliver(stands.new_shares, stands.pgp_keys)
        return self._made

    def prepare(self, stands: Rekeying) -> sealing.Job:
        """What is stored together with the rows of the seal."""
        delivery = self.deliver(stands)

        def job(txn: Transaction) -> None:
            if stands.backup:
                kept = backup.Backup(nonce=stands.nonce, keys=delivery.by_holder)
                backup.keep(txn, self._target, kept)

        return job


def _verification_status(stands: Rekeying) -> Mapping[str, Any]:
    return {
        "nonce": stands.verification_nonce,
        "started": bool(stands.verification_nonce),
        "t": stands.threshold,
        "n": stands.shares,
        "progress": stands.verification_progress,
    }


def _base64_of(texts: Iterable[str]) -> list[str]:
    return [base64.b64encode(bytes.fromhex(text)).decode() for text in texts]


ROUTES: Final = (
    *_Paths(Target.BARRIER, rotation=False).routes("rekey", "rekey/backup"),
    *_Paths(Target.RECOVERY, rotation=False).routes(
        "rekey-recovery-key", "rekey/recovery-key-backup"
    ),
    *_Paths(Target.BARRIER, rotation=True).routes("rotate/root", "rotate/root/backup"),
    *_Paths(Target.RECOVERY, rotation=True).routes("rotate/recovery", "rotate/recovery/backup"),
)
