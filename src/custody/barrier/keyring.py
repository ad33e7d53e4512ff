"""The keys of a scope: terms for encryption, one stable secret for derivation, and their wrapping.

A scope is *own* (its root key is random and wrapped by its own seal) or *derived* (its root key
comes from its parent's stable secret by HKDF). Either way the root key wraps the keyring and the
keyring encrypts the rows: without a scope's root key its rows stay shut.
"""

from dataclasses import dataclass, replace

from custody.base.codec import CorruptRecord, decode, encode
from custody.base.ids import Source
from custody.base.record import Record
from custody.crypto import aead
from custody.crypto.framing import frame
from custody.crypto.kdf import hkdf

SCOPE_SIZE = 8
_WRAPPED_VERSION = 1
_WRAP_INFO = b"custody keyring wrapping key v1"
_WRAP_PLACE = b"custody wrapped keyring v1"
_DERIVE_INFO = b"custody keyring derived key v1"
_SCOPE_INFO = b"custody derived scope root v1"


class CannotUnwrap(Exception):
    """The root key does not open this keyring."""


@dataclass(frozen=True, slots=True)
class Term:
    """One key of a keyring and when it was made (nanoseconds since the epoch)."""

    key: bytes
    created_ns: int

    def __repr__(self) -> str:
        return f"Term(created_ns={self.created_ns})"


class _StoredTerm(Record, frozen=True, kw_only=True):
    key: bytes
    created_ns: int

    def __repr__(self) -> str:
        return f"_StoredTerm(created_ns={self.created_ns})"


class _StoredKeyring(Record, frozen=True, kw_only=True):
    scope: bytes
    version: int
    stable: bytes
    terms: list[_StoredTerm]

    def __repr__(self) -> str:
        return f"_StoredKeyring(scope={self.scope.hex()}, version={self.version})"


@dataclass(frozen=True, slots=True)
class Keyring:
    """A scope's keys. `version` rises with every change and guards its replacement on disk.

    `stable` never changes: MACs, salts and derived keys outlive a rotation.
    """

    scope: bytes
    version: int
    stable: bytes
    terms: tuple[Term, ...]

    def __post_init__(self) -> None:
        sizes = {len(self.stable), *(len(term.key) for term in self.terms)}
        if len(self.scope) != SCOPE_SIZE or sizes != {aead.KEY_SIZE} or not self.terms:
            raise ValueError("not a keyring")

    @property
    def term(self) -> int:
        """The newest term; it encrypts. Terms count from 1."""
        return len(self.terms)

    def rotated(self, now_ns: int, source: Source) -> "Keyring":
        """This keyring with a fresh newest term; older terms still open what they sealed."""
        term = Term(source.random(aead.KEY_SIZE), now_ns)
        return replace(self, version=self.version + 1, terms=(*self.terms, term))

    def derive(self, purpose: str, size: int = 32, context: bytes = b"") -> bytes:
        """A key for `purpose` and `context`, the same in all terms (HKDF, RFC 5869)."""
        info = frame(_DERIVE_INFO, self.scope, purpose.encode(), context)
        return hkdf(self.stable, info=info, size=size)

    def __repr__(self) -> str:
        return f"Keyring(scope={self.scope.hex()}, version={self.version}, term={self.term})"


def new_keyring(now_ns: int, source: Source, scope: bytes | None = None) -> Keyring:
    """A keyring of one term; the scope's id is random unless given."""
    return Keyring(
        scope=source.random(SCOPE_SIZE) if scope is None else scope,
        version=1,
        stable=source.random(aead.KEY_SIZE),
        terms=(Term(source.random(aead.KEY_SIZE), now_ns),),
    )


def derived_root(parent: Keyring, scope: bytes) -> bytes:
    """The root key of a derived scope below `parent`."""
    info = frame(_SCOPE_INFO, parent.scope, scope)
    return hkdf(parent.stable, info=info)


def encode_keyring(keyring: Keyring) -> bytes:
    """The keyring in clear, for a pipe between processes; on disk it is wrapped."""
    return encode(
        _StoredKeyring(
            scope=keyring.scope,
            version=keyring.version,
            stable=keyring.stable,
            terms=[_StoredTerm(key=term.key, created_ns=term.created_ns) for term in keyring.terms],
        )
    )


def decode_keyring(data: bytes) -> Keyring:
    """The keyring in `data`. Raises CorruptRecord."""
    stored = decode(_StoredKeyring, data)
    terms = tuple(Term(term.key, term.created_ns) for term in stored.terms)
    try:
        return Keyring(stored.scope, stored.version, stored.stable, terms)
    except ValueError as error:
        raise CorruptRecord("not a keyring") from error


def wrap_keyring(keyring: Keyring, root_key: bytes, source: Source) -> bytes:
    """`version(1) | scope(8) | keyring version(8, BE) | nonce | ciphertext` under the root key."""
    head = _wrapped_head(keyring.scope, keyring.version)
    key = _wrapping_key(root_key, keyring.scope)
    return head + aead.encrypt(key, encode_keyring(keyring), frame(_WRAP_PLACE, head), source)


def unwrap_keyring(blob: bytes, root_key: bytes) -> Keyring:
    """The keyring in a wrapped blob. Raises CannotUnwrap."""
    size = len(_wrapped_head(bytes(SCOPE_SIZE), 0))
    head, sealed = blob[:size], blob[size:]
    key = _wrapping_key(root_key, head[1 : 1 + SCOPE_SIZE])
    try:
        keyring = decode_keyring(aead.decrypt(key, sealed, frame(_WRAP_PLACE, head)))
    except (aead.CannotOpen, CorruptRecord) as error:
        raise CannotUnwrap("the root key does not open this keyring") from error
    if _wrapped_head(keyring.scope, keyring.version) != head:
        raise CannotUnwrap("the keyring is not the one its wrapping names")
    return keyring


def _wrapped_head(scope: bytes, version: int) -> bytes:
    return bytes([_WRAPPED_VERSION]) + scope + version.to_bytes(8, "big")


def _wrapping_key(root_key: bytes, scope: bytes) -> bytes:
    if len(root_key) != aead.KEY_SIZE:
        raise ValueError("a root key has 32 bytes")
    return hkdf(root_key, info=frame(_WRAP_INFO, scope))
