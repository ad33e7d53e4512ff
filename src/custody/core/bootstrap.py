"""The first rows of a store: what initialisation writes before anyone can ask for anything."""

from typing import Protocol

from custody.audit import table as audit_table
from custody.barrier.barrier import Barrier
from custody.barrier.keyring import Keyring
from custody.base.clock import Clock
from custody.base.ids import Source, base62
from custody.base.secret import Secret
from custody.base.store import Table, Transaction
from custody.crypto.mac import Authenticator
from custody.policy import service as policies
from custody.token import format as token_format
from custody.token import recall
from custody.token import service as tokens
from custody.token.asked import Handle, root_spec

CLUSTER_ID = b"cluster_id"
CLUSTER_NAME = b"cluster_name"


class Named(Protocol):
    """The one setting that ends up in the store."""

    @property
    def cluster_name(self) -> str:
        """The cluster's name; empty: one is made up."""
        ...


async def first_rows(
    barrier: Barrier, settings: Named, clock: Clock, source: Source
) -> Secret[str]:
    """Write the first rows through an unsealed barrier; answers the root token."""
    now_ns = clock.now_ns()
    token = token_format.new_id(source)
    accessor = token_format.new_accessor(source)
    hasher = TokenHasher(barrier)
    handle = Handle(hasher.token(token), accessor, hasher.accessor(accessor))
    name = settings.cluster_name or f"custody-cluster-{source.random(4).hex()}"
    identifier = base62(source, 24)

    def write(txn: Transaction) -> None:
        policies.seed(txn, now_ns)
        audit_table.seed(txn)
        recall.seed(txn)
        tokens.create(txn, root_spec(), handle, None, now_ns)
        txn.put(Table.SETTING, CLUSTER_NAME, name.encode())
        txn.put(Table.SETTING, CLUSTER_ID, identifier.encode())

    await barrier.write(write)
    return Secret(token)


class TokenHasher:
    """Hashes tokens and accessors under the store's salt, derived once per keyring."""

    __slots__ = ("_barrier", "_keyring", "_salt")

    def __init__(self, barrier: Barrier) -> None:
        self._barrier = barrier
        self._keyring: Keyring | None = None
        self._salt: Authenticator | None = None

    def token(self, text: str) -> bytes:
        """The key under which a token is stored. Raises Sealed."""
        return tokens.hash_id(self._current(), text)

    def accessor(self, text: str) -> bytes:
        """The key under which an accessor is stored. Raises Sealed."""
        return tokens.hash_accessor(self._current(), text)

    def _current(self) -> Authenticator:
        keyring = self._barrier.keyring
        if self._salt is None or keyring is not self._keyring:
            self._salt = token_salt(keyring)
            self._keyring = keyring
        return self._salt


def token_salt(keyring: Keyring) -> Authenticator:
    """The key under which tokens and accessors are hashed; the same for the store's whole life."""
    return Authenticator(keyring.derive("token salt"))
