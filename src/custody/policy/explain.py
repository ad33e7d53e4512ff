"""Why a request was refused, and which rule nearly allowed it.

For those who may see policies: audit records, operators, a linter. Never part of a decision, and
not cheap: it is asked only after a denial.
"""

from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from enum import StrEnum

import msgspec

from custody.policy import capability
from custody.policy.acl import ACL, covers
from custody.policy.document import Rule
from custody.policy.grant import Grant

MAX_NEAR_MISSES = 5
_KV_SEGMENTS = ("data", "metadata")
_MOUNT_DEPTH = 3  # a mount's path is sought in at most so many first segments
_SIMILAR = 0.8
_MAX_TYPED = 4  # characters more or less that a typing error may make
_MAX_PATH = 256  # characters of a path that is compared for typing errors
_MAX_COMPARED = 100  # patterns so compared
_MAX_EXAMINED = 1000  # patterns looked at in any way


class Near(StrEnum):
    """In which way a rule nearly allowed."""

    OTHER_CAPABILITY = "other_capability"  # the deciding rule grants other things on this path
    SHADOWED = "shadowed"  # it would have allowed, but a more specific pattern decided
    ENDED = "ended"  # it would have allowed before its expiration
    KV_SEGMENT = "kv_segment"  # it allows the path with `data/` or `metadata/` put in or left out
    SLASH = "slash"  # it allows the path with, or without, a slash at the end
    LETTER_CASE = "letter_case"  # it allows the path in other letters
    SIMILAR = "similar"  # its path differs by a typing error


class NearMiss(msgspec.Struct, frozen=True):
    """A rule that nearly allowed, how, and the path that it does cover."""

    near: Near
    rule: Rule
    path: str


def near_misses(acl: ACL, op: str, path: str) -> tuple[NearMiss, ...]:
    """Rules that come near to allowing `op` on `path`, the nearest first, MAX_NEAR_MISSES at most.

    Of very large policies not all patterns are looked at: a denial must not become expensive.
    """
    bit = capability.OPERATIONS.get(op, 0)
    path = path.lstrip("/")
    found: dict[int, NearMiss] = {}
    for miss in _near_misses(acl, op, path, bit):
        found.setdefault(id(miss.rule), miss)
        if len(found) == MAX_NEAR_MISSES:
            break
    return tuple(found.values())


def _near_misses(acl: ACL, op: str, path: str, bit: int) -> Iterator[NearMiss]:
    winner = acl.find(path, listing=op in {"list", "scan"})
    if winner is not None:
        for rule in winner.rules:
            yield NearMiss(Near.OTHER_CAPABILITY, rule, path)
    granting = [grant for grant in acl.grants if grant.bits & bit][:_MAX_EXAMINED]
    for grant in granting:
        if grant is not winner and covers(grant.pattern, path):
            yield from _of(Near.SHADOWED, grant, bit, path)
    for rule in acl.expired[:_MAX_EXAMINED]:
        if rule.capabilities & bit and covers(rule.pattern, path):
            yield NearMiss(Near.ENDED, rule, path)
    yield from _respelled(acl, op, path, bit)
    for grant in granting:
        if covers(grant.pattern.lower(), path.lower()):
            yield from _of(Near.LETTER_CASE, grant, bit, grant.pattern)
    for grant in _similar(granting, path):
        yield from _of(Near.SIMILAR, grant, bit, grant.pattern)


def _respelled(acl: ACL, op: str, path: str, bit: int) -> Iterator[NearMiss]:
    """Rules that allow another spelling of the path."""
    for near, other in _spellings(path):
        if acl.decide(op, other).allowed:
            grant = acl.find(other, listing=op in {"list", "scan"})
            if grant is not None:
                yield from _of(near, grant, bit, other)


def _similar(granting: Iterable[Grant], path: str) -> list[Grant]:
    if len(path) > _MAX_PATH:
        return []
    alike = {g.pattern: g for g in granting if abs(len(g.pattern) - len(path)) <= _MAX_TYPED}
    compared = list(alike)[:_MAX_COMPARED]
    return [alike[p] for p in get_close_matches(path, compared, MAX_NEAR_MISSES, _SIMILAR)]


def _spellings(path: str) -> Iterator[tuple[Near, str]]:
    parts = path.split("/")
    for depth in range(1, min(_MOUNT_DEPTH, len(parts) - 1) + 1):
        if parts[depth] in _KV_SEGMENTS:
            yield Near.KV_SEGMENT, "/".join((*parts[:depth], *parts[depth + 1 :]))
            continue
        for segment in _KV_SEGMENTS:
            yield Near.KV_SEGMENT, "/".join((*parts[:depth], segment, *parts[depth:]))
    yield Near.SLASH, path[:-1] if path.endswith("/") else path + "/"


def _of(near: Near, grant: Grant, bit: int, path: str) -> Iterator[NearMiss]:
    return (NearMiss(near, rule, path) for rule in grant.rules if rule.capabilities & bit)
