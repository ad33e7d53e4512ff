"""Which versions of the program have run on this store, and since when: noted at each unseal."""

from typing import Final

import msgspec

from custody.base.codec import decode, encode
from custody.base.record import Record
from custody.base.store import Rows, Table, Transaction

MAX_KEPT: Final = 200
_ROW: Final = b"versions"


class Ran(msgspec.Struct, frozen=True):
    """A version, and when it first ran here (nanoseconds since the epoch)."""

    version: str
    first_ns: int


class _Versions(Record, frozen=True, kw_only=True):
    ran: tuple[Ran, ...] = ()


def note(txn: Transaction, version: str, now_ns: int) -> None:
    """Remember that `version` runs now, unless it was the last one anyway."""
    ran = known(txn)
    if not ran or ran[-1].version != version:
        ran = (*(one for one in ran if one.version != version), Ran(version, now_ns))[-MAX_KEPT:]
        txn.put(Table.SETTING, _ROW, encode(_Versions(ran=ran)))


def known(rows: Rows) -> tuple[Ran, ...]:
    """Each version once, in the order in which they began to run."""
    data = rows.get(Table.SETTING, _ROW)
    return () if data is None else decode(_Versions, data).ran
