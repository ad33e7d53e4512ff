"""The bytes of an encrypted row: `version(1) | scope(8) | term(4, BE) | nonce(12) | ciphertext`.

The ciphertext ends in its tag of 16 bytes. The associated data is injective over (version, scope,
table, key): a value opens only in its own place. The term needs no place there, since it chooses
the key. AES-256-GCM, NIST SP 800-38D.
"""

from custody.barrier.keyring import Keyring
from custody.base.ids import Source
from custody.base.store import Table, Tampered
from custody.crypto import aead
from custody.crypto.framing import frame

VERSION = 1
SCOPE_SIZE = 8
HEADER_SIZE = 1 + SCOPE_SIZE + 4
NONCE_END = HEADER_SIZE + aead.NONCE_SIZE
OVERHEAD = NONCE_END + aead.TAG_SIZE
_SCOPE_END = 1 + SCOPE_SIZE


class UnknownTerm(Exception):
    """A row was encrypted under a newer term than this process holds: ask the custodian.

    If the newest keyring does not have the term either, the row is damaged.
    """

    def __init__(self, table: str, key: bytes, term: int) -> None:
        super().__init__(f"{table} {key.hex()}: term {term} is not in the keyring")
        self.table = table
        self.key = key
        self.term = term


class Envelopes:
    """Seals and opens the rows of one scope; keeps one cipher object per term."""

    __slots__ = ("_ciphers", "_current", "_header", "_newest", "_places", "_scope")

    def __init__(self, keyring: Keyring) -> None:
        self._scope = keyring.scope
        self._newest = keyring.term
        self._ciphers = {
            header(keyring.scope, number): aead.cipher(term.key)
            for number, term in enumerate(keyring.terms, start=1)
        }
        self._header = header(keyring.scope, keyring.term)
        self._current = self._ciphers[self._header]
        self._places = {table: _place(keyring.scope, table) for table in Table}

    def seal(self, table: Table, key: bytes, plaintext: bytes, source: Source) -> bytes:
        """The envelope of `plaintext` for its place, under the newest term."""
        nonce = source.random(aead.NONCE_SIZE)
        place = self._places[table] + len(key).to_bytes(4, "big") + key
        return self._header + nonce + self._current.encrypt(nonce, plaintext, place)

    def open(self, table: Table, key: bytes, envelope: bytes) -> bytes:
        """The plaintext. Raises Tampered, or UnknownTerm for a term newer than the keyring."""
        cipher = self._ciphers.get(envelope[:HEADER_SIZE])
        if cipher is None:
            raise self._refusal(table, key, envelope)
        place = self._places[table] + len(key).to_bytes(4, "big") + key
        try:
            return cipher.decrypt(envelope[HEADER_SIZE:NONCE_END], envelope[NONCE_END:], place)
        except (aead.InvalidTag, ValueError) as error:  # ValueError: shorter than a nonce and a tag
            raise Tampered(table.name, key, "authentication failed") from error

    def _refusal(self, table: Table, key: bytes, envelope: bytes) -> Exception:
        if len(envelope) < OVERHEAD:
            return Tampered(table.name, key, "too short for an envelope")
        if envelope[0] != VERSION:
            return Tampered(table.name, key, f"unknown envelope version {envelope[0]}")
        if envelope[1:_SCOPE_END] != self._scope:
            return Tampered(table.name, key, "belongs to another scope")
        term = int.from_bytes(envelope[_SCOPE_END:HEADER_SIZE], "big")
        if term > self._newest:
            return UnknownTerm(table.name, key, term)
        return Tampered(table.name, key, f"there is no term {term}")


def header(scope: bytes, term: int) -> bytes:
    """What an envelope of that scope and term begins with."""
    return bytes([VERSION]) + scope + term.to_bytes(4, "big")


def associated_data(scope: bytes, table: Table, key: bytes) -> bytes:
    """What binds an envelope to its place."""
    return frame(bytes([VERSION]), scope, bytes([table]), key)


def _place(scope: bytes, table: Table) -> bytes:
    """`associated_data` up to the key's length."""
    return frame(bytes([VERSION]), scope, bytes([table]))
