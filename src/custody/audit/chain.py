"""Owns the chain that ties each writer's records together, as its device writes them.

A line carries `chain: {writer, seq, prev}`: who wrote it, its number from 1, and the SHA-256 of
the writer's line before. The chain shows edits, deletions and reordering to whoever holds a later
head; it is no signature: who may write the file can also write a new chain.
"""

import hashlib
from collections.abc import Sequence

from custody.audit.head import Head


def link(head: Head, records: Sequence[bytes]) -> tuple[list[bytes], Head]:
    """The lines that `records` (JSON objects) become after `head`, and the new head."""
    writer, seq, digest = head.writer.encode(), head.seq, head.digest
    lines = []
    for record in records:
        seq += 1
        line = b'%b,"chain":{"writer":"%b","seq":%d,"prev":"%b"}}' % (
            record[:-1],
            writer,
            seq,
            digest.encode(),
        )
        digest = hashlib.sha256(line).hexdigest()
        lines.append(line + b"\n")
    return lines, Head(head.writer, seq, digest)


def after(head: Head, lines: Sequence[bytes]) -> Head:
    """The head once only `lines`, made by `link` from `head`, are written."""
    if not lines:
        return head
    digest = hashlib.sha256(lines[-1][:-1]).hexdigest()
    return Head(head.writer, head.seq + len(lines), digest)
