"""What custodian and members (workers, steward) say to each other over their socketpair.

Both sides may call; every call is answered by one result or one failure. Keys travel as bytes and
only here. Failures travel as the name of a class of `base.errors` and its texts: whatever else
was raised arrives as Unavailable and says nothing.
"""

import msgspec

from custody.barrier.meta import SealChange
from custody.base import errors
from custody.base.errors import CustodyError, Unavailable
from custody.core.ceremony import AnyOutcome, AnyStep


class Message(msgspec.Struct, frozen=True):
    """Base of all that is said. It shows nothing of itself: keys, shares and tokens travel here."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}(…)"


class Hello(Message, frozen=True, tag="hello"):
    """A member's first call."""

    role: str
    slot: int


class GetStatus(Message, frozen=True, tag="status"):
    """Where does the unseal stand?"""


class Initialise(Message, frozen=True, tag="initialise"):
    """Make everything that a new store begins with."""

    shares: int
    threshold: int


class Unseal(Message, frozen=True, tag="unseal"):
    """One share, and the stored META rows."""

    share: bytes
    meta: list[tuple[bytes, bytes]]
    migrate: bool = False


class OpenMigrated(Message, frozen=True, tag="open_migrated"):
    """The stored META rows after a migration."""

    meta: list[tuple[bytes, bytes]]


class UnsealAutomatically(Message, frozen=True, tag="unseal_automatically"):
    """The stored META rows, for a seal that needs nobody."""

    meta: list[tuple[bytes, bytes]]


class Reset(Message, frozen=True, tag="reset"):
    """Forget the shares."""


class Seal(Message, frozen=True, tag="seal"):
    """Seal the node."""


class Take(Message, frozen=True, tag="take"):
    """A step of a ceremony, and the stored META rows."""

    step: AnyStep
    meta: list[tuple[bytes, bytes]]


class SetLevel(Message, frozen=True, tag="set_level"):
    """As `control.SetLevel`."""

    logger: str
    level: str


class Restart(Message, frozen=True, tag="restart"):
    """Have the members started anew: the store has been replaced."""


class Install(Message, frozen=True, tag="install"):
    """The stored META rows with the new keyring in them."""

    meta: list[tuple[bytes, bytes]]


class TakeKeyring(Message, frozen=True, tag="take_keyring"):
    """Custodian to member: use this keyring; answered when it is in use."""

    keyring: bytes


class DropKeyring(Message, frozen=True, tag="drop_keyring"):
    """Custodian to member: forget the keyring; answered when it is forgotten."""


class Done(Message, frozen=True, tag="done"):
    """Nothing to tell."""


class Welcome(Message, frozen=True, tag="welcome"):
    """The answer to Hello: the keyring if the node is unsealed."""

    keyring: bytes | None


class Status(Message, frozen=True, tag="status_result"):
    """As `core.ports.SealStatus`."""

    sealed: bool
    progress: int
    nonce: str
    error: str = ""
    unhealthy_ns: int = 0
    change: SealChange | None = None  # of a migration


class Opened(Message, frozen=True, tag="opened"):
    """An automatic unseal is done; whether what is stored should be wrapped anew."""

    outdated: bool


class Made(Message, frozen=True, tag="made"):
    """As `core.ports.Initialised`."""

    rows: list[tuple[bytes, bytes]]
    shares: list[bytes]
    root_token: str


class Taken(Message, frozen=True, tag="taken"):
    """The answer to a step."""

    outcome: AnyOutcome


class Failed(Message, frozen=True, tag="failed"):
    """The call raised."""

    kind: str
    messages: tuple[str, ...]


Call = (
    Hello
    | GetStatus
    | Initialise
    | Unseal
    | OpenMigrated
    | UnsealAutomatically
    | Reset
    | Seal
    | Take
    | SetLevel
    | Restart
    | Install
    | TakeKeyring
    | DropKeyring
)
Result = Done | Welcome | Status | Opened | Made | Taken | Failed


class Frame(msgspec.Struct, frozen=True, array_like=True):
    """One message. The answer carries the number of its call; each side numbers its own."""

    number: int
    body: Call | Result


_KINDS: dict[str, type[CustodyError]] = {
    kind.__name__: kind
    for kind in (
        errors.AuditFailed,
        errors.BadRequest,
        errors.NotFound,
        errors.PermissionDenied,
        errors.Sealed,
        errors.StorageFull,
        errors.Unavailable,
    )
}


def failure(error: BaseException) -> Failed:
    """`error` as it travels: the nearest class that may, or an Unavailable that says nothing."""
    if isinstance(error, CustodyError):
        for kind in type(error).__mro__:
            if kind.__name__ in _KINDS and _KINDS[kind.__name__] is kind:
                return Failed(kind.__name__, error.messages)
    return Failed(Unavailable.__name__, ("internal error",))


def as_error(failed: Failed) -> CustodyError:
    """The error that travelled, to be raised."""
    return _KINDS.get(failed.kind, Unavailable)(*failed.messages)
