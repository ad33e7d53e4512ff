"""One attempt to make a root token: who asked, the shares given, and the token once they are right.

Pure: it neither holds the keys that the shares must prove nor stores the token. The token is drawn
once, so a step that is taken again stores the same one.
"""

from custody.base.errors import BadRequest
from custody.base.ids import Source, base62, new_uuid
from custody.core.ceremony import RootGenerating, StartRootGeneration
from custody.seals.config import Split
from custody.seals.quorum import Quorum
from custody.token import format as token_format

OTHER_LENGTHS = (26, 28)  # of OpenBao's and Vault's root tokens, for which clients make passwords


class RootGeneration:
    """The state of one attempt."""

    def __init__(self, wish: StartRootGeneration, present: Split, source: Source) -> None:
        """Raises BadRequest for a one-time password of a length that no token has."""
        if wish.otp and len(wish.otp.encode()) not in (token_format.LENGTH, *OTHER_LENGTHS):
            raise BadRequest("OTP string has incorrect length")
        self.nonce = new_uuid(source)
        self._wish = wish
        self._otp = wish.otp
        if not wish.otp and not wish.pgp_key:
            self._otp = base62(source, token_format.LENGTH)
        self._quorum = Quorum(present)
        self._source = source
        self._token = ""

    def give(self, share: bytes, nonce: str) -> bytes | None:
        """Take a share; with enough of them, the key they make, which must be proved.

        Raises BadRequest. A share given again after the last one changes nothing.
        """
        if nonce != self.nonce:
            raise BadRequest(
                "incorrect nonce supplied; nonce for this root generation operation is "
                f'"{self.nonce}"'
            )
        if self._token and self._quorum.is_last(share):
            return None
        if not self._quorum.add(share):
            raise BadRequest("given key has already been provided during this generation operation")
        return self._quorum.key() if self._quorum.met else None

    def refuse(self) -> None:
        """The key was wrong: begin to collect anew."""
        self._quorum.reset()

    def authorise(self) -> None:
        """The key was right: draw the token, as long as the password that will hide it."""
        length = len(self._otp.encode()) if self._otp else token_format.LENGTH
        self._token = (
            token_format.new_id(self._source)
            if length == token_format.LENGTH
            else base62(self._source, length)
        )

    def standing(self, *, started: bool = False) -> RootGenerating:
        """How it stands. The password is shown to who starts, and with the token that it hides."""
        return RootGenerating(
            started=True,
            nonce=self.nonce,
            progress=self._quorum.count,
            required=self._quorum.split.threshold,
            otp=self._otp if self._token or (started and not self._wish.otp) else "",
            pgp_key=self._wish.pgp_key if self._token else "",
            fingerprint=self._wish.fingerprint,
            token=self._token,
        )

    def __repr__(self) -> str:
        return f"RootGeneration(nonce={self.nonce!r})"
