"""Small authenticated rows in clear: the log's ends, each table's sum, the encryption counts.

A row is `version(1) | body | HMAC-SHA256(32)`; the MAC's input also holds the row's key and the
shard, so no row passes for another. What a process has checked or written itself it recognises by
its bytes and does not check again.
"""

from struct import Struct

from custody.base.store import RawTransaction, RawValues, Table, Tampered
from custody.crypto import mac
from custody.crypto.framing import frame

_VERSION = b"\x01"


class PointRows:
    """Reads and writes authenticated rows of one fixed shape each. One thread uses it."""

    __slots__ = ("_authenticator", "_known", "_place", "_places", "_shape")

    def __init__(self, key: bytes, shard: str, name: str, shape: Struct) -> None:
        self._authenticator = mac.Authenticator(key)
        self._place = frame(name.encode(), shard.encode())
        self._shape = shape
        self._places: dict[bytes, bytes] = {}
        self._known: dict[bytes, tuple[bytes, tuple[int | bytes, ...]]] = {}

    def get(self, raw: RawValues, place: bytes) -> tuple[int | bytes, ...] | None:
        """The fields of the row under the raw key `place`, or None. Raises Tampered."""
        row = raw.get(place)
        if row is None:
            return None
        known = self._known.get(place)
        if known is not None and known[0] == row:
            return known[1]
        # The length first: compiled, a slice that would be negative is a SystemError.
        if len(row) != 1 + self._shape.size + mac.SIZE or row[:1] != _VERSION:
            raise Tampered(Table(place[0]).name, place[1:], "has not the shape of its row")
        body = row[1 : -mac.SIZE]
        try:
            self._authenticator.verify(self._input(place, body), row[-mac.SIZE :])
        except mac.WrongMAC as error:
            raise Tampered(Table(place[0]).name, place[1:], "authentication failed") from error
        fields = self._shape.unpack(body)
        self._known[place] = (row, fields)
        return fields

    def put(self, raw: RawTransaction, place: bytes, *fields: int | bytes) -> None:
        """Write the row under the raw key `place`."""
        body = self._shape.pack(*fields)
        row = _VERSION + body + self._authenticator.mac(self._input(place, body))
        raw.put(place, row)
        self._known[place] = (row, fields)

    def _input(self, place: bytes, body: bytes) -> bytes:
        head = self._places.get(place)
        if head is None:
            head = self._places[place] = self._place + frame(place)
        return head + body
