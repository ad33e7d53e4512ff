"""Times as texts."""

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from custody.base.clock import NANOSECOND, rfc3339


def plain(ns: int) -> str:
    second = datetime.fromtimestamp(ns // NANOSECOND, UTC)
    return f"{second:%Y-%m-%dT%H:%M:%S}.{ns % NANOSECOND:09d}Z"


@given(st.integers(min_value=0, max_value=250 * 365 * 86_400))
def test_a_time_has_nine_digits_and_is_in_utc(second: int) -> None:
    for fraction in (0, 1, 999_999_999):
        assert rfc3339(second * NANOSECOND + fraction) == plain(second * NANOSECOND + fraction)


def test_more_times_than_are_remembered_are_right_too() -> None:
    times = [number * 7 * NANOSECOND + number for number in range(10_000)]
    assert [rfc3339(ns) for ns in times] == [plain(ns) for ns in times]
    assert [rfc3339(ns) for ns in times[:50]] == [plain(ns) for ns in times[:50]]
