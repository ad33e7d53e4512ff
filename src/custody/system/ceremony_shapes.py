"""The shapes of the ceremonies' answers: rekey under both its spellings, and making a root token.

What is `Vault` here are the paths that want no token, what is `Bao` those that want one.
"""

from typing import NotRequired, TypedDict


class _Rekey(TypedDict):
    started: bool
    t: int
    n: int
    required: int


class _Rekeying(_Rekey):
    nonce: str
    progress: int
    verification_required: bool


class VaultStarted(_Rekeying):
    """A rekey that makes its shares as soon as enough of the present ones are there."""

    pgp_fingerprints: list[str] | None
    backup: bool


class VaultRekey(VaultStarted):
    """How a rekey stands."""

    verification_nonce: NotRequired[str]


class BaoIdle(_Rekey):
    """How it stands where there is none."""


class BaoRekey(_Rekeying):
    """How a rekey stands."""

    verification_nonce: str
    pgp_fingerprints: NotRequired[list[str]]
    backup: NotRequired[bool]


class _NewShares(TypedDict):
    nonce: str
    complete: bool
    keys: list[str]
    keys_base64: list[str]
    pgp_fingerprints: list[str] | None
    backup: bool
    verification_required: bool


class VaultShares(_NewShares):
    """The new shares."""

    verification_nonce: NotRequired[str]


class BaoShares(_NewShares):
    """The new shares."""

    verification_nonce: str


class Verification(TypedDict):
    """How the verification of the new shares stands."""

    nonce: str
    started: bool
    t: int
    n: int
    progress: int


class Verified(TypedDict):
    """The new shares are valid from now on."""

    nonce: str
    complete: bool


class Backup(TypedDict):
    """Kept shares by the fingerprint of the PGP key to which each is encrypted."""

    nonce: str
    keys: dict[str, list[str]]
    keys_base64: dict[str, list[str]]


class _Attempt(TypedDict):
    started: bool
    progress: int
    required: int
    complete: bool


class VaultAttempt(_Attempt):
    """How the making of a root token stands; the last share's answer has the hidden token."""

    otp: str
    otp_length: int
    nonce: str
    pgp_fingerprint: str
    encoded_token: str
    encoded_root_token: str


class BaoNoAttempt(_Attempt):
    """How it stands where none is made."""

    otp: str
    otp_length: int


class BaoAttempt(BaoNoAttempt):
    """How the making of a root token stands."""

    nonce: str
    pgp_fingerprint: str


class BaoRootToken(_Attempt):
    """The root token, hidden."""

    nonce: str
    pgp_fingerprint: str
    encoded_token: str


class RootToken(TypedDict):
    """A root token, uncovered."""

    token: str
