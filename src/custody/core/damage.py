"""Owns what damaged rows mean to a caller: a named error that holds neither key nor value.

Table and key stand in the log, and each such meeting is counted: what one request has met may be
the first sign of many.
"""

import logging
from typing import Final

from custody.barrier.envelope import UnknownTerm
from custody.base.codec import CorruptRecord, NewerRecord
from custody.base.errors import CustodyError, Damaged
from custody.base.store import Tampered
from custody.core.ports import Metrics

DAMAGE: Final = (Tampered, UnknownTerm, CorruptRecord, NewerRecord)
ANSWERED: Final = (CustodyError, Tampered, CorruptRecord, NewerRecord)
_ADVICE: Final = "run custody operator verify"
_log = logging.getLogger(__name__)


def named(error: Exception, metrics: Metrics) -> CustodyError:
    """`error` as the caller is told of it; what is in the tree already is answered as it is.

    UnknownTerm is damage only once the custodian has said that it knows no newer keyring.
    """
    if isinstance(error, CustodyError):
        return error
    metrics.add("tampered_rows")
    if isinstance(error, Tampered | UnknownTerm):
        reason = error.reason if isinstance(error, Tampered) else f"unknown term {error.term}"
        _log.error(
            "stored data failed authentication: table %s, key %s: %s",
            error.table, error.key.hex(), reason,
        )  # fmt: skip
        return Damaged(f"stored data failed authentication: table {error.table}; {_ADVICE}")
    _log.error("a stored record cannot be read: %s", error)
    return Damaged(f"a stored record cannot be read; {_ADVICE}")
