"""Tokens by name over a store in memory, at a time that the test sets."""

from typing import Final

from custody.base.clock import NANOSECOND
from custody.base.errors import PermissionDenied
from custody.base.store import Table
from custody.crypto.mac import Authenticator
from custody.testing.tables import MemoryTables
from custody.token import service
from custody.token.asked import Handle, Spec
from custody.token.entry import TokenEntry

SALT: Final = Authenticator(bytes(32))
START_NS: Final = 1_700_000_000 * NANOSECOND
TABLES: Final = (
    Table.TOKEN, Table.ACCESSOR, Table.CHILD, Table.EXPIRY, Table.REVOCATION, Table.CUBBYHOLE,
)  # fmt: skip


def token_hash(name: str) -> bytes:
    """The key of the token called `name`."""
    return service.hash_id(SALT, name)


def accessor_hash(name: str) -> bytes:
    """The key of the accessor called `name`."""
    return service.hash_accessor(SALT, name)


class TokenBench:
    """A store and a time. A token's text is its name, its accessor is `accessor-` and the name."""

    def __init__(self) -> None:
        self.tables = MemoryTables()
        self.now_ns = START_NS

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.now_ns += int(seconds * NANOSECOND)

    def make(
        self, name: str, parent: str | None = None, *, spec: Spec | None = None, ttl: int = 0
    ) -> TokenEntry:
        """Create a token; `spec` wins over `ttl`."""
        accessor = f"accessor-{name}"
        handle = Handle(token_hash(name), accessor, accessor_hash(accessor))
        above = None if parent is None else token_hash(parent)
        spec = spec or Spec(policies=("default",), path="auth/token/create", ttl=ttl)
        with self.tables.transaction() as txn:
            return service.create(txn, spec, handle, above, self.now_ns).entry

    def chain(self, depth: int) -> list[str]:
        """`depth` tokens, each below the one before."""
        names = [f"link-{number}" for number in range(depth)]
        for number, name in enumerate(names):
            self.make(name, names[number - 1] if number else None)
        return names

    def keep(self, name: str, path: str, value: bytes = b'{"kept":true}') -> None:
        """Put something into a token's cubbyhole."""
        with self.tables.transaction() as txn:
            place = accessor_hash(f"accessor-{name}")
            txn.put(Table.CUBBYHOLE, place + path.encode(), value)

    def revoke(self, name: str) -> tuple[bytes, ...]:
        """Revoke a token; answers the hashes that went."""
        with self.tables.transaction() as txn:
            return service.revoke(txn, token_hash(name), self.now_ns)

    def good(self, name: str) -> bool:
        """Whether the token would be let in now."""
        with self.tables.snapshot() as rows:
            try:
                service.authenticate(rows, token_hash(name), self.now_ns)
            except PermissionDenied:
                return False
        return True

    def rows(self) -> dict[Table, dict[bytes, bytes]]:
        """All rows that tokens leave."""
        return {table: self.tables.table(table) for table in TABLES}
