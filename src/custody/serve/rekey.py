"""One rekey, from its start to the last share of its verification: what was given, what was made.

Pure: it neither holds the present keys nor writes. A new key exists once the present shares have
proved right, and counts only once the rows that wrap by it are stored. Until then the present
shares are the valid ones, however far the rekey is.
"""

import hmac
from dataclasses import dataclass, field

from custody.base.errors import BadRequest
from custody.base.ids import Source, new_uuid
from custody.core.ceremony import Rekeying, StartRekey
from custody.crypto import aead
from custody.seals.config import Split
from custody.seals.quorum import InvalidKey, Quorum
from custody.seals.shamir import split_key


@dataclass(frozen=True, slots=True)
class _Made:
    """The new key and its shares."""

    key: bytes = field(repr=False)
    shares: tuple[bytes, ...] = field(repr=False)


class Rekey:
    """The state of one rekey. `split` None: a seal that opens by itself has no shares to give."""

    def __init__(
        self, wish: StartRekey, split: Split | None, present: Split, source: Source
    ) -> None:
        self.wish = wish
        self.split = split
        self.nonce = new_uuid(source)
        self.verification_nonce = ""
        self._source = source
        self._quorum = Quorum(present)
        self._verification: Quorum | None = None
        self._verified = False
        self._made: _Made | None = None

    @property
    def new_key(self) -> bytes | None:
        """The new key, once the present shares proved right; empty where there are no shares."""
        return None if self._made is None else self._made.key

    @property
    def complete(self) -> bool:
        """Whether nothing is left but to store what was made."""
        return self._made is not None and (self._verified or not self._must_verify)

    def give(self, share: bytes, nonce: str) -> bytes | None:
        """Take a present share; with enough of them, the key they make, which must be proved.

        Raises BadRequest. A share given again after the last one changes nothing.
        """
        if self._made is not None and self._must_verify:
            raise BadRequest(
                "rekey operation already finished; verification must be performed; nonce for the "
                f'verification operation is "{self.verification_nonce}"'
            )
        _check_nonce(nonce, self.nonce, "rekey")
        if self._made is not None and self._quorum.is_last(share):
            return None  # the answer to the last share was lost
        _add(self._quorum, share, "generation")
        return self._quorum.key() if self._quorum.met else None

    def refuse(self) -> None:
        """The key was wrong: begin to collect anew."""
        self._quorum.reset()

    def authorise(self) -> None:
        """The key was right: make the new one."""
        if self.split is None:
            self._made = _Made(b"", ())
            return
        key = self._source.random(aead.KEY_SIZE)
        self._made = _Made(key, tuple(split_key(key, self.split, self._source)))
        if self._must_verify:
            self.restart_verification()

    def verify(self, share: bytes, nonce: str) -> None:
        """Take a new share. Raises BadRequest; a wrong set of shares begins to collect anew."""
        made, quorum = self._made, self._verification
        if made is None or quorum is None:
            raise BadRequest("no rekey verification in progress")
        _check_nonce(nonce, self.verification_nonce, "verify")
        if self._verified and quorum.is_last(share):
            return
        _add(quorum, share, "verify")
        if not quorum.met:
            return
        try:
            right = hmac.compare_digest(quorum.key(), made.key)
        except InvalidKey:
            right = False
        if not right:
            self.restart_verification()
            raise BadRequest("rekey verification failed; incorrect key shares supplied")
        self._verified = True

    def restart_verification(self) -> None:
        """Forget the new shares given so far, under another nonce."""
        if self._made is not None and self.split is not None and self._must_verify:
            self.verification_nonce = new_uuid(self._source)
            self._verification = Quorum(self.split)

    def standing(self) -> Rekeying:
        """How it stands; the new shares are in it once they are made."""
        made, split = self._made, self.split
        return Rekeying(
            started=True,
            nonce=self.nonce,
            shares=0 if split is None else split.shares,
            threshold=0 if split is None else split.threshold,
            progress=0 if made else self._quorum.count,
            required=self._quorum.split.threshold,
            fingerprints=self.wish.fingerprints,
            backup=self.wish.backup,
            verify=self._must_verify,
            verification_nonce=self.verification_nonce,
            verification_progress=self._verification.count if self._verification else 0,
            authorised=made is not None,
            complete=self.complete,
            new_shares=() if made is None else made.shares,
            pgp_keys=self.wish.pgp_keys,
        )

    @property
    def _must_verify(self) -> bool:
        return self.wish.verify and self.split is not None

    def __repr__(self) -> str:
        return f"Rekey({self.wish.target}, nonce={self.nonce!r})"


def _check_nonce(given: str, wanted: str, operation: str) -> None:
    if given != wanted:
        raise BadRequest(
            f'incorrect nonce supplied; nonce for this {operation} operation is "{wanted}"'
        )


def _add(quorum: Quorum, share: bytes, operation: str) -> None:
    try:
        new = quorum.add(share)
    except InvalidKey as error:
        raise BadRequest(error.messages[0].removeprefix("invalid key: ")) from None
    if not new:
        raise BadRequest(f"given key has already been provided during this {operation} operation")
