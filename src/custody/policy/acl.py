"""What all policies of one token say together, compiled for fast decisions.

Precedence (behaviours of Vault and OpenBao, section "Matching"): an exact path first, then the
best of the patterns with `*` at the end or `+` for a segment. Only the rules of the winning
pattern count. Which of two patterns is better does not depend on the path, so patterns are put in
order once, when they are compiled, and the first that matches has won.

An ACL never changes. It is right until `valid_until_ns`, when a rule of it ends.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from custody.policy import capability
from custody.policy.decision import HELP, NO_RULE, ROOT, Decision, Denied, Reason
from custody.policy.document import Document, Rule
from custody.policy.grant import LISTING, Grant, unlimited

ROOT_POLICY = "root"
_NOTHING: Mapping[str, object] = {}
_Priority = tuple[int, bool, int, int, str]


class _Segments(NamedTuple):
    """A pattern with `+`: what it starts with, and the rest of the check."""

    priority: _Priority
    start: str
    match: Callable[[str], re.Match[str] | None]
    grant: Grant


class ACL:
    """Compiled policies; `compile` makes one."""

    __slots__ = (
        "_exact",
        "_lengths",
        "_prefixes",
        "_segments",
        "documents",
        "expired",
        "root",
        "valid_until_ns",
    )

    def __init__(self, documents: Sequence[Document], now_ns: int) -> None:
        self.documents = tuple(documents)
        living = [d for d in self.documents if not 0 < d.expires_ns < now_ns]
        self.root = any(document.policy == ROOT_POLICY for document in living)
        rules = [rule for document in living for rule in document.rules if not rule.templated]
        self.expired: tuple[Rule, ...] = tuple(rule for rule in rules if rule.expired(now_ns))
        ends = [*(d.expires_ns for d in living), *(rule.expires_ns for rule in rules)]
        self.valid_until_ns: int | None = min((e for e in ends if e and e >= now_ns), default=None)
        grants = _grants(rule for rule in rules if not rule.expired(now_ns))
        self._exact = {g.pattern: g for g in grants if not is_wild(g.pattern)}
        self._prefixes = {g.pattern[:-1]: g for g in grants if _is_prefix(g.pattern)}
        self._lengths = sorted({len(start) for start in self._prefixes}, reverse=True)
        self._segments = sorted(
            (_segments(grant) for grant in grants if has_segment_wildcard(grant.pattern)),
            key=lambda segments: segments.priority,
            reverse=True,
        )

    @classmethod
    def compile(cls, documents: Sequence[Document], now_ns: int) -> "ACL":
        """The ACL of `documents` at `now_ns`; what has ended by then, or waits for an identity
        (`{{…}}` in its path), grants and denies nothing."""
        return cls(documents, now_ns)

    @property
    def grants(self) -> tuple[Grant, ...]:
        """Every pattern with its merged rules."""
        segments = (segment.grant for segment in self._segments)
        return (*self._exact.values(), *self._prefixes.values(), *segments)

    def decide(
        self,
        op: str,
        path: str,
        *,
        params: Mapping[str, object] | None = None,
        query: Mapping[str, object] | None = None,
        wrap_ttl: int | None = None,
        sudo: bool = False,
    ) -> Decision:
        """Whether `op` on `path` (without `/v1/`) is allowed, by which rule, and why not.

        `params` are the fields of the body, `query` those of the URL, `wrap_ttl` the seconds for
        which the answer is to be wrapped, `sudo` says that the path is root-protected. `op` is
        one of capability.OPERATIONS, or `help`, which every valid token may ask.
        """
        listing = op in LISTING
        if self.root:
            return unlimited(ROOT, query) if listing and query else ROOT
        if op == "help":
            return HELP
        if listing and path and not path.endswith("/"):
            path += "/"
        grant = self.find(path, listing=listing)
        verdict = grant.verdict(op) if grant is not None else NO_RULE
        if grant is None or not verdict.allowed:
            return verdict
        if sudo and not verdict.sudo:
            return grant.refuse(Reason.NOT_SUDO, verdict)
        if grant.plain:
            return unlimited(verdict, query) if listing and query else verdict
        return grant.restrict(op, verdict, wrap_ttl, params or _NOTHING, query or _NOTHING)

    def check(
        self,
        op: str,
        path: str,
        *,
        params: Mapping[str, object] | None = None,
        query: Mapping[str, object] | None = None,
        wrap_ttl: int | None = None,
        sudo: bool = False,
    ) -> Decision:
        """As `decide`, but raises decision.Denied (a PolicyDenied that carries the Decision)."""
        decision = self.decide(op, path, params=params, query=query, wrap_ttl=wrap_ttl, sudo=sudo)
        if not decision.allowed:
            raise Denied(decision)
        return decision

    def settled(self, op: str, path: str) -> bool:
        """Whether `decide` says the same of `op` on `path` whatever else the request holds.

        Not asked for lists with a query, whose `limit` is part of any decision.
        """
        if self.root:
            return True
        grant = self.find(path, listing=op in LISTING)
        return grant is not None and grant.plain

    def find(self, path: str, *, listing: bool = False) -> Grant | None:
        """The grant of the best pattern for `path`; `listing` also tries it without its last /."""
        if path.startswith("/"):
            path = path.lstrip("/")
        grant = self._exact.get(path)
        if grant is not None:
            return grant
        bare = path[:-1] if listing and path.endswith("/") else None
        if bare is not None:
            grant = self._exact.get(bare)
            if grant is not None:
                return grant
        grant = self._best(path)
        return self._best(bare) if grant is None and bare is not None else grant

    def capabilities(self, path: str) -> list[str]:
        """As sys/capabilities answers: sorted words, `["root"]` or `["deny"]`."""
        if self.root:
            return [ROOT_POLICY]
        grant = self.find(path, listing=True)
        return capability.names(grant.bits if grant is not None else 0)

    def summary(self) -> tuple[Mapping[str, Grant], Mapping[str, Grant]]:
        """The grants by exact path, and those by pattern: a prefix without its `*`, or with `+`."""
        segments = {one.grant.pattern: one.grant for one in self._segments}
        return self._exact, {**self._prefixes, **segments}

    def filter_keys(self, decision: Decision, path: str, keys: Iterable[str]) -> list[str]:
        """The `keys` of a list of `path` that the caller may read (folders: list).

        All of them unless the deciding rule asks for it with list_scan_response_keys_filter_path.
        """
        keys_path = decision.keys_path
        if keys_path is None:
            return list(keys)
        return [key for key in keys if self._may_see(keys_path.resolve(path, key))]

    def touches(self, mount: str) -> bool:
        """Whether anything is granted at or below `mount` (a path with its trailing slash)."""
        return self.root or any(
            grant.bits and not grant.bits & capability.DENY and _reaches(grant.pattern, mount)
            for grant in self.grants
        )

    def _may_see(self, path: str) -> bool:
        return self.decide("list" if path.endswith("/") else "read", path).reason in _SEEN

    def _best(self, path: str) -> Grant | None:
        """The best pattern with a wildcard."""
        prefix: Grant | None = None
        start = ""
        for length in self._lengths:
            start = path[:length]
            prefix = self._prefixes.get(start)
            if prefix is not None:
                break
        if self._segments:
            floor = prefix_priority(start) if prefix is not None else None
            for segments in self._segments:
                if floor is not None and segments.priority < floor:
                    break
                if path.startswith(segments.start) and segments.match(path):
                    return segments.grant
        return prefix


_SEEN = frozenset(
    {
        Reason.GRANTED,
        Reason.ROOT,
        Reason.WRAPPING,
        Reason.REQUIRED_PARAMETER,
        Reason.LIMIT,
    }
)
"""Reasons under which the capability itself is there: a key may be shown, if not yet read."""


def has_segment_wildcard(pattern: str) -> bool:
    """Whether `pattern` is among those with `+` for a whole segment."""
    return pattern == "+" or "/+" in pattern or pattern.startswith("+/")


def is_wild(pattern: str) -> bool:
    """Whether `pattern` matches more than itself."""
    return pattern.endswith("*") or has_segment_wildcard(pattern)


def prefix_priority(start: str) -> _Priority:
    """The rank of `start*`: the greater is the better."""
    return len(start), False, 0, len(start), start


def pattern_regex(pattern: str) -> re.Pattern[str]:
    """The expression that matches, from the start, what a pattern with `+` or `*` matches."""
    start = pattern.removesuffix("*")
    body = "/".join("[^/]*" if part == "+" else re.escape(part) for part in start.split("/"))
    return re.compile(body if start != pattern else body + r"\Z")


def covers(pattern: str, path: str) -> bool:
    """Whether `pattern` matches `path`, whatever other patterns there are."""
    if not is_wild(pattern):
        return pattern == path
    if not has_segment_wildcard(pattern):
        return path.startswith(pattern[:-1])
    return pattern_regex(pattern).match(path) is not None


def _is_prefix(pattern: str) -> bool:
    return pattern.endswith("*") and not has_segment_wildcard(pattern)


def _segments(grant: Grant) -> _Segments:
    start = grant.pattern.removesuffix("*")
    first = grant.pattern.index("+")
    wildcards = start.split("/").count("+")
    rank = (first, start == grant.pattern, -wildcards, len(start), start)
    return _Segments(rank, grant.pattern[:first], pattern_regex(grant.pattern).match, grant)


def _grants(rules: Iterable[Rule]) -> list[Grant]:
    by_pattern: dict[str, list[Rule]] = {}
    for rule in rules:
        by_pattern.setdefault(rule.pattern, []).append(rule)
    return [Grant(pattern, found) for pattern, found in by_pattern.items()]


def _reaches(pattern: str, mount: str) -> bool:
    """Whether `pattern` matches a path at or below `mount`."""
    if not is_wild(pattern):
        return pattern.startswith(mount) or pattern + "/" == mount
    is_prefix = pattern.endswith("*")
    wanted = pattern.removesuffix("*").split("/")
    for index, segment in enumerate(mount.split("/")[:-1]):
        if index == len(wanted):
            return False
        if is_prefix and index == len(wanted) - 1:
            return segment.startswith(wanted[index])
        if wanted[index] not in {"+", segment}:
            return False
    return True
