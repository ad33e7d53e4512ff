"""Compiled ACLs, remembered by the documents that they were made of.

A document is remembered by its row's ciphertext (`Rows.memo`), so a changed policy is another
document and finds no ACL here: there is nothing to invalidate. The keys hold the documents, so
an identity cannot come to mean another one while it is known here.
"""

import threading
from collections.abc import Iterable

from custody.policy.acl import ACL
from custody.policy.document import Document

MAX_COMPILED = 1024


class Compiled:
    """At most `limit` ACLs; the one that was made first goes first. Safe between threads."""

    def __init__(self, limit: int = MAX_COMPILED) -> None:
        self._limit = limit
        self._known: dict[tuple[Document, ...], ACL] = {}
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._known)

    def acl(self, documents: Iterable[Document], now_ns: int) -> ACL:
        """The ACL of `documents`, made anew once a rule or policy of it has ended."""
        key = tuple(documents)
        known = self._known.get(key)
        if known is not None and (known.valid_until_ns is None or now_ns <= known.valid_until_ns):
            return known
        made = ACL.compile(key, now_ns)
        with self._lock:
            self._known.pop(key, None)
            while len(self._known) >= self._limit:
                del self._known[next(iter(self._known))]
            self._known[key] = made
        return made
