"""How long a token may live: pure arithmetic on whole seconds."""

from typing import Final

from custody.base.clock import NANOSECOND
from custody.base.duration import go_string
from custody.base.errors import BadRequest


class Limits:
    """The mount's effective TTLs, in seconds."""

    def __init__(self, default_ttl: int, max_ttl: int) -> None:
        self.default_ttl: Final = default_ttl
        self.max_ttl: Final = max_ttl


class Terms:
    """What bounds one token's life, in seconds; 0 means none."""

    def __init__(
        self, wanted: int = 0, period: int = 0, explicit_max: int = 0, age: int = 0
    ) -> None:
        self.wanted: Final = wanted
        self.period: Final = period
        self.explicit_max: Final = explicit_max
        self.age: Final = age


def lesser(one: int, other: int) -> int:
    """The lesser of two durations of which 0 is none."""
    return min(one, other) if one and other else one or other


def ceiling(terms: Terms, limits: Limits) -> int:
    """How many seconds from its creation a token may live at most; 0: for ever, if renewed."""
    if terms.period:
        return terms.explicit_max
    return min(limits.max_ttl, terms.explicit_max or limits.max_ttl)


def grant(terms: Terms, limits: Limits) -> tuple[int, tuple[str, ...]]:
    """The TTL granted from now, and warnings where it is less than was asked for.

    The rules are those of Vault's `framework.CalculateTTL`: a periodic token gets its period,
    bounded from creation only by its own explicit maximum; any other gets what is wanted or the
    default, bounded from creation by the lesser maximum. Raises BadRequest when nothing is left.
    """
    maximum = min(limits.max_ttl, terms.explicit_max or limits.max_ttl)
    warnings: list[str] = []
    if terms.period:
        ttl = terms.period
        if ttl > maximum:
            warnings.append(
                f'period of "{_human(ttl)}" exceeded the effective max_ttl of "{_human(maximum)}"; '
                "period value is capped accordingly"
            )
            ttl = maximum
    else:
        ttl = terms.wanted if terms.wanted > 0 else limits.default_ttl
    longest = ceiling(terms, limits)
    if not longest:
        return ttl, tuple(warnings)
    left = longest - terms.age
    if left <= 0:
        raise BadRequest("past the max TTL, cannot renew")
    if ttl > left:
        warnings.append(
            f'TTL of "{_human(ttl)}" exceeded the effective max_ttl of "{_human(left)}"; '
            "TTL value is capped accordingly"
        )
        ttl = left
    return ttl, tuple(warnings)


def _human(seconds: int) -> str:
    """A duration as Vault writes it in sentences: 768h, 1h5s, 90m."""
    text = go_string(seconds * NANOSECOND)
    if text.endswith("m0s"):
        text = text.removesuffix("0s")
    return text.replace("h0m", "h", 1)
