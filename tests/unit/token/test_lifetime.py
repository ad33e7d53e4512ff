import pytest

from custody.base.errors import BadRequest
from custody.token.lifetime import Limits, Terms, grant, lesser

HOUR = 3600
LIMITS = Limits(default_ttl=768 * HOUR, max_ttl=768 * HOUR)


def test_without_a_wish_the_default_is_granted() -> None:
    assert grant(Terms(), Limits(60, 600)) == (60, ())


def test_a_ttl_over_the_maximum_is_capped_with_the_known_warning() -> None:
    ttl, warnings = grant(Terms(wanted=9000 * HOUR), LIMITS)
    assert ttl == 768 * HOUR
    assert warnings == (
        'TTL of "9000h" exceeded the effective max_ttl of "768h"; TTL value is capped accordingly',
    )


def test_the_explicit_maximum_counts_from_creation() -> None:
    assert grant(Terms(wanted=100, explicit_max=90, age=50), LIMITS)[0] == 40


def test_durations_in_warnings_are_written_as_vault_writes_them() -> None:
    _, warnings = grant(Terms(wanted=3605, explicit_max=90), LIMITS)
    assert warnings == (
        'TTL of "1h5s" exceeded the effective max_ttl of "1m30s"; TTL value is capped accordingly',
    )


def test_a_periodic_token_has_no_maximum_from_creation() -> None:
    assert grant(Terms(period=60, age=10**9), LIMITS) == (60, ())


def test_a_periodic_token_ends_at_its_explicit_maximum() -> None:
    assert grant(Terms(period=60, explicit_max=100, age=70), LIMITS)[0] == 30


def test_a_period_over_the_maximum_is_capped() -> None:
    ttl, warnings = grant(Terms(period=7200), Limits(60, 3600))
    assert ttl == 3600
    assert warnings == (
        'period of "2h" exceeded the effective max_ttl of "1h"; period value is capped accordingly',
    )


def test_past_the_maximum_nothing_is_granted() -> None:
    with pytest.raises(BadRequest, match="past the max TTL, cannot renew"):
        grant(Terms(wanted=1, age=600), Limits(60, 600))


@pytest.mark.parametrize(("one", "other", "least"), [(0, 0, 0), (5, 0, 5), (0, 7, 7), (5, 7, 5)])
def test_nothing_is_no_bound(one: int, other: int, least: int) -> None:
    assert lesser(one, other) == lesser(other, one) == least
