"""Batch tokens: the whole entry in the token's text, encrypted and authenticated; nothing stored.

The key is derived from the keyring and outlives its rotations, as the hashes of tokens do. What was
decoded is remembered by the text's hash, like the rows of other tokens: a text never changes its
meaning, and whether it still counts is looked at each time.
"""

from collections.abc import Callable
from typing import Final, Protocol

from custody.barrier.barrier import Barrier
from custody.barrier.keyring import Keyring
from custody.base.codec import CorruptRecord, encode
from custody.base.errors import BadRequest
from custody.base.store import Rows
from custody.crypto.aead import CannotOpen
from custody.crypto.siv import KEY_SIZE, SIV
from custody.token import format as formats
from custody.token import service as tokens
from custody.token.entry import BATCH_TYPE, TokenEntry, decode_entry

MAX_HELD: Final = 4096  # decoded entries; then all are forgotten
_PLACE: Final = b"custody batch token v1"


class Finder(Protocol):
    """What turns the text of a token into its key, and that of a batch token into its entry."""

    @property
    def token_hash(self) -> Callable[[str], bytes]:
        """The key of a token: a function of its text."""
        ...

    @property
    def batch(self) -> "BatchTokens":
        """Reads batch tokens."""
        ...


class BatchTokens:
    """Writes and reads the texts of batch tokens, under the keyring that is installed."""

    __slots__ = ("_barrier", "_cipher", "_held", "_keyring")

    def __init__(self, barrier: Barrier) -> None:
        self._barrier = barrier
        self._keyring: Keyring | None = None
        self._cipher: SIV | None = None
        self._held: dict[bytes, TokenEntry] = {}

    def write(self, entry: TokenEntry) -> str:
        """The token's text. Raises BadRequest where it would be too long for a header."""
        text = formats.batch_id(self._current().encrypt(encode(entry)))
        if len(text) > formats.MAX_BATCH_LENGTH:
            raise BadRequest(
                f"the batch token would be longer than {formats.MAX_BATCH_LENGTH} characters: "
                "give it fewer policies or less metadata"
            )
        return text

    def read(self, text: str, token_hash: bytes) -> TokenEntry | None:
        """The entry in a text that may be a batch token's, or None. Raises Sealed."""
        cipher = self._current()
        entry = self._held.get(token_hash)
        if entry is None:
            entry = _decoded(cipher, text)
            if entry is None:
                return None
            if len(self._held) >= MAX_HELD:
                self._held.clear()
            self._held[token_hash] = entry
        return entry

    def _current(self) -> SIV:
        keyring = self._barrier.keyring
        if self._cipher is None or keyring is not self._keyring:
            self._cipher = _cipher(keyring)
            self._keyring = keyring
        return self._cipher


def find(rows: Rows, hashes: Finder, text: str, now_ns: int) -> tuple[bytes, TokenEntry | None]:
    """The hash of a token of either type, and its entry while it is good, else None."""
    token_hash = hashes.token_hash(text)
    if not text.startswith(formats.BATCH):
        return token_hash, tokens.find(rows, token_hash, now_ns)
    entry = hashes.batch.read(text, token_hash)
    return token_hash, None if entry is None else tokens.standing(rows, entry, now_ns)


def _cipher(keyring: Keyring) -> SIV:
    return SIV(keyring.derive("batch token", KEY_SIZE), _PLACE)


def _decoded(cipher: SIV, text: str) -> TokenEntry | None:
    sealed = formats.batch_content(text)
    if sealed is None:
        return None
    try:
        entry = decode_entry(cipher.decrypt(sealed))
    except (CannotOpen, CorruptRecord):
        return None
    return entry if entry.type == BATCH_TYPE else None
