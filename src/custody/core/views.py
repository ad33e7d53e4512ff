"""Stored entries in the shapes that handlers and audit records want, made once per entry.

Entries come from the barrier's memo, so one object is one stored row: its identity is the key
here, and holding the entry keeps that identity from being used again.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Final, Generic, TypeVar

import msgspec

from custody.audit import record
from custody.base.clock import rfc3339
from custody.core.desk import Settings
from custody.core.mounts import MountEntry
from custody.plugin import context
from custody.policy.acl import ACL
from custody.policy.decision import Decision
from custody.policy.document import Rule
from custody.policy.explain import near_misses
from custody.token.entry import TokenEntry

E = TypeVar("E")
V = TypeVar("V")
MAX_VIEWS: Final = 8192
MAX_NEAR_MISSES: Final = 3


class Views(Generic[E, V]):
    """A bounded map from an entry, by identity, to what is derived from it."""

    __slots__ = ("_held", "_make")

    def __init__(self, make: Callable[[E], V]) -> None:
        self._make = make
        self._held: dict[int, tuple[E, V]] = {}

    def of(self, entry: E) -> V:
        """What `make` gives for this entry."""
        held = self._held.get(id(entry))
        if held is not None:
            return held[1]
        if len(self._held) >= MAX_VIEWS:
            self._held.clear()
        value = self._make(entry)
        self._held[id(entry)] = (entry, value)
        return value


def audit_mount(entry: MountEntry) -> record.Mount:
    """The mount as audit records name it."""
    return record.Mount(
        point=entry.path,
        type=entry.kind,
        accessor=entry.accessor,
        plugin_class="auth" if entry.path.startswith("auth/") else "secret",
        request_keys=frozenset(entry.config.audit_non_hmac_request_keys),
        response_keys=frozenset(entry.config.audit_non_hmac_response_keys),
    )


def plugin_mount(settings: Settings) -> Callable[[MountEntry], context.Mount]:
    """Makes the mount as handlers see it, with the system's TTLs where it has none."""

    def make(entry: MountEntry) -> context.Mount:
        return context.Mount(
            id=entry.id,
            path=entry.path,
            kind=entry.kind,
            accessor=entry.accessor,
            options=entry.options,
            default_lease_ttl=entry.config.default_lease_ttl or settings.default_lease_ttl,
            max_lease_ttl=entry.config.max_lease_ttl or settings.max_lease_ttl,
        )

    return make


class Principal:
    """A token's audit caller, made when first asked for: the entry does not hold its own hash."""

    __slots__ = ("_caller", "_entry")

    def __init__(self, entry: TokenEntry) -> None:
        self._entry = entry
        self._caller: record.Caller | None = None

    def audit_caller(self, token_hash: bytes) -> record.Caller:
        """The caller as audit records name them."""
        caller = self._caller
        if caller is None or caller.id != token_hash:
            caller = self._caller = audit_caller(token_hash, self._entry)
        return caller


def audit_caller(token_hash: bytes, entry: TokenEntry) -> record.Caller:
    """The caller as audit records name them."""
    return record.Caller(
        id=token_hash,
        accessor=entry.accessor,
        display_name=entry.display_name,
        policies=tuple(entry.policies),
        token_policies=tuple(entry.policies),
        metadata=dict(entry.meta) if entry.meta else None,
        entity_id=entry.entity_id,
        token_type=entry.type,
        token_ttl=entry.ttl,
        token_issue_time=rfc3339(entry.created_ns),
        remaining_uses=entry.num_uses,
    )


def audit_headers(
    headers: Iterable[tuple[bytes, bytes]], shown: Mapping[str, bool]
) -> Mapping[str, tuple[str, ...]]:
    """Those request headers that records show, each with all its values."""
    found: dict[str, tuple[str, ...]] = {}
    for raw, value in headers:
        name = raw.decode("latin-1")
        if name in shown:
            found[name] = (*found.get(name, ()), value.decode("latin-1"))
    return found


def clear_headers(shown: Mapping[str, bool]) -> frozenset[str]:
    """The names of those whose values are not hashed."""
    return frozenset(name for name, hashed in shown.items() if not hashed)


def audit_decision(decision: Decision) -> record.Decision:
    """What the policies said, as audit records keep it."""
    rule = decision.rule
    return record.Decision(
        allowed=decision.allowed,
        grants=tuple(record.Grant(name=name) for name in decision.granting_policies),
        rule=None if rule is None else _rule(rule),
        reason="" if decision.allowed else decision.reason.value,
    )


def audit_refusal(decision: Decision, acl: ACL, operation: str, path: str) -> record.Decision:
    """A denial, with the rules that came nearest to allowing it."""
    misses = near_misses(acl, operation, path)[:MAX_NEAR_MISSES]
    return msgspec.structs.replace(
        audit_decision(decision),
        near_misses=tuple(
            msgspec.structs.replace(_rule(miss.rule), reason=miss.near.value) for miss in misses
        ),
    )


def _rule(rule: Rule) -> record.Rule:
    return record.Rule(policy=rule.policy, path=rule.pattern, line=rule.line)
