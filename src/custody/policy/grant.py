"""All that the policies of one token say about one pattern, merged, and its verdicts.

Merging does not depend on the order of the policies: deny wins, capabilities and parameters are
put together, of two limits the lower one counts, and where one must be chosen it is that of the
policy that comes first by name.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from custody.base.clock import NANOSECOND
from custody.policy import capability
from custody.policy.decision import Decision, Reason
from custody.policy.document import Parameters, Rule, any_or_both

LISTING = frozenset({"list", "scan"})
_WITH_PARAMETERS = frozenset({"read", "create", "update", "patch"})
_LIMIT = "limit"
_NUMBER = re.compile(r"[+-]?\d{1,18}", re.ASCII)


class Grant:
    """The merged rules of one pattern. Immutable once made."""

    __slots__ = (
        "_allowed",
        "_denied",
        "_limit",
        "_longest_ns",
        "_required",
        "_shortest_ns",
        "_verdicts",
        "bits",
        "keys_path",
        "pattern",
        "plain",
        "rules",
    )

    def __init__(self, pattern: str, rules: Iterable[Rule]) -> None:
        self.pattern = pattern
        self.rules = tuple(sorted(rules, key=lambda rule: (rule.policy, rule.line)))
        self.bits = _bits(self.rules)
        self.keys_path = next((r.keys_path for r in self.rules if r.keys_path is not None), None)
        self._allowed = _parameters(rule.allowed for rule in self.rules)
        self._denied = _parameters(rule.denied for rule in self.rules)
        self._required = tuple(sorted({name for rule in self.rules for name in rule.required}))
        self._shortest_ns = _lowest(rule.min_wrapping_ns for rule in self.rules)
        self._longest_ns = _lowest(rule.max_wrapping_ns for rule in self.rules)
        self._limit = _lowest(rule.pagination_limit for rule in self.rules)
        self._verdicts = {
            operation: self._verdict(operation) for operation in capability.OPERATIONS
        }
        self.plain = not (
            self._allowed
            or self._denied
            or self._required
            or self._shortest_ns
            or self._longest_ns
            or self._limit
        )

    def capability_names(self) -> list[str]:
        """The merged capabilities as words, sorted."""
        return capability.names(self.bits)

    def restrictions(self) -> Mapping[str, object]:
        """What narrows the capabilities, by the names that policies have for it."""
        found: dict[str, object] = {
            "allowed_parameters": dict(self._allowed),
            "denied_parameters": dict(self._denied),
            "required_parameters": self._required,
            "min_wrapping_ttl": self._shortest_ns // NANOSECOND,
            "max_wrapping_ttl": self._longest_ns // NANOSECOND,
            "pagination_limit": self._limit,
        }
        return {name: value for name, value in found.items() if value}

    def verdict(self, operation: str) -> Decision:
        """What the capabilities alone say; made beforehand."""
        found = self._verdicts.get(operation)
        if found is None:
            return self._refusal(Reason.UNKNOWN_OPERATION, self.rules[0])
        return found

    def refuse(self, reason: Reason, verdict: Decision) -> Decision:
        """`verdict`, allowed by the capabilities, refused for another reason."""
        return self._refusal(reason, verdict.rule)

    def restrict(
        self,
        operation: str,
        verdict: Decision,
        wrap_ttl: int | None,
        params: Mapping[str, object],
        query: Mapping[str, object],
    ) -> Decision:
        """`verdict` after the bounds of wrapping, the parameters and the limit of pages."""
        if not self._wrapping_fits(wrap_ttl or 0):
            return self.refuse(Reason.WRAPPING, verdict)
        if operation in LISTING:
            return self._paged(verdict, query)
        if operation in _WITH_PARAMETERS:
            reason = self._parameter_fault(query if operation == "read" else params)
            if reason is not None:
                return self.refuse(reason, verdict)
        return verdict

    def _verdict(self, operation: str) -> Decision:
        bit = capability.OPERATIONS[operation]
        if not self.bits & bit:
            if self.bits & capability.DENY:
                denying = next(r for r in self.rules if r.capabilities & capability.DENY)
                return self._refusal(Reason.DENIED, denying)
            return self._refusal(Reason.NO_CAPABILITY, self.rules[0])
        granting = [rule for rule in self.rules if rule.capabilities & bit]
        return Decision(
            allowed=True,
            reason=Reason.GRANTED,
            rule=granting[0],
            granting_policies=tuple(dict.fromkeys(rule.policy for rule in granting)),
            sudo=bool(self.bits & capability.SUDO),
            keys_path=self.keys_path if operation in LISTING else None,
        )

    def _refusal(self, reason: Reason, rule: Rule | None) -> Decision:
        sudo = bool(self.bits & capability.SUDO)
        return Decision(allowed=False, reason=reason, rule=rule, sudo=sudo)

    def _wrapping_fits(self, wrap_ttl: int) -> bool:
        """An answer that is not wrapped (0) is outside any bounds."""
        if not self._shortest_ns and not self._longest_ns:
            return True
        ns = wrap_ttl * NANOSECOND
        return (
            ns > 0 and ns >= self._shortest_ns and (not self._longest_ns or ns <= self._longest_ns)
        )

    def _parameter_fault(self, given: Mapping[str, object]) -> Reason | None:
        """Why these parameters are refused. Required ones come first, then denied, then allowed.

        A required name counts as it is written in the policy or in lower case: a spelling that
        the backend would not read must not satisfy it. The others are compared without case.
        """
        if any(name not in given and name.lower() not in given for name in self._required):
            return Reason.REQUIRED_PARAMETER
        if not given:
            return None
        if self._denied and ("*" in self._denied or _any_denied(given, self._denied)):
            return Reason.DENIED_PARAMETER
        if self._allowed and not _all_allowed(given, self._allowed):
            return Reason.ALLOWED_PARAMETER
        return None

    def _paged(self, verdict: Decision, query: Mapping[str, object]) -> Decision:
        if not self._limit:
            return unlimited(verdict, query)
        asked = query.get(_LIMIT)
        if asked is None:
            if any(name.lower() == _LIMIT for name in self._required):
                return self.refuse(Reason.REQUIRED_PARAMETER, verdict)
            return msgspec.structs.replace(verdict, limit=self._limit)
        number = 0 if asked in {"max", ""} else _number(asked)
        if number is None or not 0 <= number <= self._limit:
            return self.refuse(Reason.LIMIT, verdict)
        return verdict if number else msgspec.structs.replace(verdict, limit=self._limit)


def unlimited(verdict: Decision, query: Mapping[str, object]) -> Decision:
    """`verdict` on a list that no policy limits: `limit=max` is the backend's 0."""
    if query.get(_LIMIT) == "max":
        return msgspec.structs.replace(verdict, limit=0)
    return verdict


def _bits(rules: Sequence[Rule]) -> int:
    bits = 0
    for rule in rules:
        bits |= rule.capabilities
    return capability.DENY if bits & capability.DENY else bits


def _lowest(values: Iterable[int]) -> int:
    """The lowest of those that are set, else 0."""
    return min((value for value in values if value), default=0)


def _parameters(given: Iterable[Parameters | None]) -> Parameters:
    merged: dict[str, tuple[object, ...]] = {}
    for parameters in given:
        for name, values in (parameters or {}).items():
            merged[name] = any_or_both(merged.get(name), values)
    return merged


def _any_denied(given: Mapping[str, object], denied: Parameters) -> bool:
    return any(
        _in(value, denied[name.lower()]) for name, value in given.items() if name.lower() in denied
    )


def _all_allowed(given: Mapping[str, object], allowed: Parameters) -> bool:
    others = "*" in allowed
    for name, value in given.items():
        values = allowed.get(name.lower())
        if values is None:
            if not others:
                return False
        elif not _in(value, values):
            return False
    return True


def _in(value: object, values: tuple[object, ...]) -> bool:
    return not values or any(_matches(each, value) for each in values)


def _matches(expected: Any, value: Any) -> bool:
    """Scalars are compared as texts, with `*` at either end of `expected` as a glob."""
    pattern, text = _text(expected), _text(value)
    if pattern is None or text is None:
        return bool(expected == value)
    if len(pattern) > 1:
        if pattern[0] == pattern[-1] == "*":
            return pattern[1:-1] in text
        if pattern[0] == "*":
            return text.endswith(pattern[1:])
        if pattern[-1] == "*":
            return text.startswith(pattern[:-1])
    return pattern == text


def _text(value: object) -> str | None:
    """A scalar as JSON would show it, without quotes; None for null, lists and objects."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int | float) else None


def _number(value: object) -> int | None:
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    return int(text) if isinstance(text, str) and _NUMBER.fullmatch(text) else None
