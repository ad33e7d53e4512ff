"""`sys/generate-root*`: a root token by the holders of the shares, and `sys/decode-token`.

One ceremony under two spellings: Vault's paths, which any holder of a share may call without a
token, and OpenBao's, which want one. The token leaves hidden by a one-time password or by PGP.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final

from custody.base.errors import BadRequest, Unavailable, UnsupportedOperation
from custody.core import ceremony
from custody.core.act import Act
from custody.core.ceremony import RootGenerating
from custody.core.confine import SystemRows
from custody.core.front import Front
from custody.core.root_token import hide, store_root_token, uncover
from custody.plugin.fields import Fields
from custody.plugin.request import Reply, Request
from custody.plugin.route import KIB, Access, Op, Route, acts, reads
from custody.system import holders
from custody.system.ceremony_shapes import (
    BaoAttempt,
    BaoNoAttempt,
    BaoRootToken,
    RootToken,
    VaultAttempt,
)
from custody.system.share import decode_share
from custody.token.format import LENGTH

_MAX_BODY: Final = 128 * KIB  # a PGP key
_BAD_KEY: Final = "error parsing PGP key: "


class StartFields(Fields, frozen=True, kw_only=True):
    """What will hide the token: a one-time password or a PGP key; neither: a password is made."""

    otp: Annotated[
        str, "A one-time password that hides the token, as long as the token will be."
    ] = ""
    pgp_key: Annotated[str, "A public key in base64 to which the token is encrypted."] = ""


class ShareFields(Fields, frozen=True, kw_only=True):
    """One share, for the attempt of that nonce."""

    key: Annotated[str, "One share, in hex or base64."] = ""
    nonce: Annotated[str, "Of the attempt for which it is given."] = ""


class DecodeFields(Fields, frozen=True, kw_only=True):
    """A hidden token and the password that hides it."""

    encoded_token: Annotated[str, "The hidden token."] = ""
    otp: Annotated[str, "The one-time password that hides it."] = ""


@dataclass(frozen=True, slots=True)
class _Paths:
    """The handlers under one spelling."""

    enveloped: bool  # OpenBao's spelling

    async def look(self, _request: Request, act: Act) -> Reply:
        """How the attempt stands."""
        return Reply(data=self._status(await self._take(act, ceremony.LookAtRootGeneration())))

    async def start(self, request: Request, act: Act) -> Reply:
        """Begin to make a root token."""
        body: StartFields = request.body
        if body.otp and body.pgp_key:
            raise BadRequest("only one of otp and pgp_key may be given")
        keys = [body.pgp_key] if body.pgp_key else []
        step = ceremony.StartRootGeneration(
            otp=body.otp,
            pgp_key=body.pgp_key,
            fingerprint="".join(holders.fingerprints(keys, _BAD_KEY)),
        )
        return Reply(data=self._status(await self._take(act, step)))

    async def cancel(self, _request: Request, act: Act) -> None:
        """Forget the attempt."""
        await self._take(act, ceremony.CancelRootGeneration())

    async def update(self, request: Request, act: Act) -> Reply:
        """Give one share; the last one makes the token."""
        body: ShareFields = request.body
        if not body.key:
            raise BadRequest(
                "key is required"
                if self.enveloped
                else "'key' must be specified in request body as JSON"
            )
        step = ceremony.GiveRootShare(decode_share(body.key), body.nonce)
        stands = await self._take(act, step)
        if not stands.token:
            return Reply(data=self._status(stands))
        token_hash = await store_root_token(act, stands.token, act.parts.clock, request.source)
        await self._take(act, ceremony.CancelRootGeneration())
        return Reply(data=self._status(stands), created=(token_hash,))

    async def _take(self, act: Act, step: ceremony.AnyStep) -> RootGenerating:
        if not self.enveloped and act.parts.settings.closed_generate_root:
            raise UnsupportedOperation
        outcome = await act.parts.custodian.take(step, Front(act.parts).meta())
        if not isinstance(outcome, RootGenerating):
            raise Unavailable("the custodian answered something else")
        return outcome

    def _status(self, stands: RootGenerating) -> Mapping[str, Any]:
        made = bool(stands.token)
        data: dict[str, Any] = {
            "started": stands.started,
            "progress": stands.progress,
            "required": stands.required,
            "complete": made,
            "otp": "" if made else stands.otp,
            "otp_length": 0 if made else LENGTH,
        }
        if made and self.enveloped:
            del data["otp"], data["otp_length"]
        if self.enveloped and not stands.started:
            return data
        data |= {"nonce": stands.nonce, "pgp_fingerprint": stands.fingerprint}
        if made or not self.enveloped:
            data["encoded_token"] = _hidden(stands) if made else ""
        if not self.enveloped:
            data["encoded_root_token"] = data["encoded_token"]
        return data

    def routes(self, *bases: str, base: str) -> tuple[Route, ...]:
        """The rows of the table, below `base`; the attempt also at `bases`."""
        access = Access.AUTHENTICATED if self.enveloped else Access.PUBLIC
        started: Any = BaoAttempt if self.enveloped else VaultAttempt
        stands: Any = BaoAttempt | BaoNoAttempt if self.enveloped else VaultAttempt
        made: Any = BaoAttempt | BaoRootToken if self.enveloped else VaultAttempt
        attempt = {
            Op.READ: acts(self.look, shows=stands),
            Op.WRITE: acts(self.start, StartFields, shows=started),
            Op.DELETE: acts(self.cancel),
        }
        return (
            *(
                Route(
                    path, attempt,
                    access=access, raw=not self.enveloped, max_body=_MAX_BODY,
                    help="Begin to make a root token; how that stands; cancel it.",
                )
                for path in (*bases, f"{base}/attempt")
            ),
            Route(
                f"{base}/update",
                {Op.WRITE: acts(self.update, ShareFields, shows=made)},
                access=access, raw=not self.enveloped,
                help="Give one share for a root token.",
            ),
        )  # fmt: skip


def decode_token(request: Request, _rows: SystemRows) -> Reply:
    """A token that a one-time password hides."""
    body: DecodeFields = request.body
    if not body.encoded_token or not body.otp:
        raise BadRequest("provided 'encoded_token' or 'otp' is empty")
    return Reply(data={"token": uncover(body.encoded_token, body.otp)})


def _hidden(stands: RootGenerating) -> str:
    if stands.pgp_key:
        return holders.encrypted(stands.token, stands.pgp_key, _BAD_KEY)
    return hide(stands.token, stands.otp)


ROUTES: Final = (
    *_Paths(enveloped=False).routes("generate-root", base="generate-root"),
    *_Paths(enveloped=True).routes(base="generate-root-token"),
    Route(
        "decode-token",
        {Op.WRITE: reads(decode_token, DecodeFields, shows=RootToken)},
        access=Access.PUBLIC,
        help="Uncover a root token by its one-time password.",
    ),
)
