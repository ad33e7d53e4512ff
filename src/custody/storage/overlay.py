"""Transactions as layers of changes in memory above a backend's rows.

A group of jobs shares one layer, each job has its own above that: a job that raises is undone by
dropping its layer, and rows that every job rewrites (heads, sums) reach the backend once per
commit. Measured on LMDB: a nested transaction costs 3.5 µs per job.
"""

from custody.base.store import MAX_KEY, Commit, RawRows

Changes = dict[bytes, bytes | None]  # None: deleted


class Overlay:
    """A RawTransaction whose changes are kept in `changes`, in front of the rows below."""

    __slots__ = ("_below", "_below_get", "changes", "commit")

    def __init__(self, below: RawRows, commit: Commit | None = None) -> None:
        self.commit = commit or Commit()
        self._below = below
        self._below_get = below.get
        self.changes: Changes = {}

    def get(self, key: bytes) -> bytes | None:
        """The value under `key`, or None."""
        changes = self.changes
        return changes[key] if key in changes else self._below_get(key)

    def put(self, key: bytes, value: bytes) -> None:
        """Set `key` to `value`. Raises ValueError for a key that is empty or too long."""
        if not 0 < len(key) <= MAX_KEY:
            raise ValueError(f"a key has 1 to {MAX_KEY} bytes, this one {len(key)}")
        self.changes[key] = value

    def delete(self, key: bytes) -> bool:
        """Remove `key`; says whether it was there."""
        if self.get(key) is None:
            return False
        self.changes[key] = None
        return True

    def scan(self, start: bytes, stop: bytes, limit: int) -> list[tuple[bytes, bytes]]:
        """Up to `limit` pairs with start <= key < stop, in key order."""
        ours = {key: value for key, value in self.changes.items() if start <= key < stop}
        if not ours:
            return self._below.scan(start, stop, limit)
        merged = dict(self._below.scan(start, stop, limit + len(ours)))
        for key, value in ours.items():
            if value is None:
                merged.pop(key, None)
            else:
                merged[key] = value
        return sorted(merged.items())[:limit]

    def keys(self, start: bytes, stop: bytes, limit: int) -> list[bytes]:
        """As `scan`, keys only."""
        ours = {key: value for key, value in self.changes.items() if start <= key < stop}
        if not ours:
            return self._below.keys(start, stop, limit)
        found = {*self._below.keys(start, stop, limit + len(ours)), *ours}
        return sorted(found - {key for key, value in ours.items() if value is None})[:limit]


class Grouped(Overlay):
    """What the jobs of one commit have changed so far, over rows that nobody else can change.

    `seen` holds the rows as they now are, each fetched once: the jobs of a group read much the same
    (who writes, by which policies, the log's head), and a call to LMDB costs ten times a look into
    a dictionary.
    """

    __slots__ = ("fetch", "seen")

    def __init__(self, below: RawRows) -> None:
        super().__init__(below)
        self.fetch = below.get
        self.seen: Changes = {}

    def layer(self) -> "Layer":
        """A job's own layer."""
        return Layer(self)

    def take(self, layer: Overlay) -> None:
        """Make a job's changes the group's."""
        self.changes.update(layer.changes)
        self.seen.update(layer.changes)


class Layer(Overlay):
    """What one job of a group changes. Two looks into dictionaries, no call, for a row seen."""

    __slots__ = ("_fetch", "_seen")

    def __init__(self, group: Grouped) -> None:
        super().__init__(group, group.commit)
        self._seen = group.seen
        self._fetch = group.fetch

    def get(self, key: bytes) -> bytes | None:
        """The value under `key`, or None."""
        changes = self.changes
        if key in changes:
            return changes[key]
        seen = self._seen
        if key not in seen:
            seen[key] = self._fetch(key)
        return seen[key]
