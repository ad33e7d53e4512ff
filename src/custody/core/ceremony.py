"""What share holders do together on an open node, as values: steps, and how a ceremony stands.

A step goes to the custodian, which keeps the state of every ceremony, and its answer comes back. A
change of stored rows travels in the answer: the caller commits it and takes the step again if the
rows were others meanwhile; a step may be repeated. The custodian sees in the rows it is shown with
the next step, or by `Custodian.install`, that the change is made.
"""

from enum import StrEnum

import msgspec

from custody.barrier.meta import SealChange


class Target(StrEnum):
    """Which key a rekey is about."""

    BARRIER = "barrier"
    RECOVERY = "recovery"


class Step(msgspec.Struct, frozen=True):
    """Base of all steps. It shows nothing of itself: shares travel here."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}(…)"


class LookAtRekey(Step, frozen=True, tag="look_at_rekey"):
    """How does it stand?"""

    target: Target


class StartRekey(Step, frozen=True, tag="start_rekey"):
    """Begin a rekey. PGP keys come as they were sent, with their fingerprints, or not at all."""

    target: Target
    shares: int
    threshold: int
    pgp_keys: tuple[str, ...] = ()
    fingerprints: tuple[str, ...] = ()
    backup: bool = False
    verify: bool = False


class GiveRekeyShare(Step, frozen=True, tag="give_rekey_share"):
    """One share of the present key."""

    target: Target
    share: bytes
    nonce: str


class VerifyShare(Step, frozen=True, tag="verify_share"):
    """One share of the new key, to prove that its holder has it."""

    target: Target
    share: bytes
    nonce: str


class RestartVerification(Step, frozen=True, tag="restart_verification"):
    """Forget the new shares that were given for verification."""

    target: Target


class CancelRekey(Step, frozen=True, tag="cancel_rekey"):
    """Forget the rekey."""

    target: Target


class LookAtRootGeneration(Step, frozen=True, tag="look_at_root_generation"):
    """How does it stand?"""


class StartRootGeneration(Step, frozen=True, tag="start_root_generation"):
    """Begin to make a root token, which will be as long as `otp` where one is given."""

    otp: str = ""
    pgp_key: str = ""
    fingerprint: str = ""


class GiveRootShare(Step, frozen=True, tag="give_root_share"):
    """One share of the unseal or recovery key."""

    share: bytes
    nonce: str


class CancelRootGeneration(Step, frozen=True, tag="cancel_root_generation"):
    """Forget the attempt; also what is done once its token is stored."""


class RotateRootKey(Step, frozen=True, tag="rotate_root_key"):
    """A new root key below the same seal."""


class RotateKeyring(Step, frozen=True, tag="rotate_keyring"):
    """A keyring with one more term."""


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """Base of all answers. It shows nothing of itself: new shares travel here."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}(…)"


class Rekeying(Outcome, frozen=True, kw_only=True, tag="rekeying"):
    """How a rekey stands. `new_shares` are there once it is authorised; `complete` says that
    nothing is left but to commit `change`, where there is one."""

    started: bool = False
    nonce: str = ""
    shares: int = 0
    threshold: int = 0
    progress: int = 0
    required: int = 0
    fingerprints: tuple[str, ...] = ()
    backup: bool = False
    verify: bool = False
    verification_nonce: str = ""
    verification_progress: int = 0
    authorised: bool = False
    complete: bool = False
    new_shares: tuple[bytes, ...] = ()
    pgp_keys: tuple[str, ...] = ()
    change: SealChange | None = None


class RootGenerating(Outcome, frozen=True, kw_only=True, tag="root_generating"):
    """How the making of a root token stands. `token` is there once it is authorised."""

    started: bool = False
    nonce: str = ""
    progress: int = 0
    required: int = 0
    otp: str = ""
    pgp_key: str = ""
    fingerprint: str = ""
    token: str = ""


class Changing(Outcome, frozen=True, kw_only=True, tag="changing"):
    """A change of the seal's rows that nobody had to be asked for."""

    change: SealChange


RekeyStep = (
    LookAtRekey | StartRekey | GiveRekeyShare | VerifyShare | RestartVerification | CancelRekey
)
AnyStep = (
    RekeyStep
    | LookAtRootGeneration
    | StartRootGeneration
    | GiveRootShare
    | CancelRootGeneration
    | RotateRootKey
    | RotateKeyring
)
AnyOutcome = Rekeying | RootGenerating | Changing
