import msgspec

from custody.base.clock import NANOSECOND
from custody.token.entry import ROOT_PATH, TokenEntry
from custody.token.view import lookup, remaining

NOW_NS = 1_700_000_000 * NANOSECOND
ENTRY = TokenEntry(
    accessor="acc",
    accessor_hash=b"h",
    policies=("default", "web"),
    created_ns=NOW_NS,
    ttl=60,
    expires_ns=NOW_NS + 60 * NANOSECOND,
    renewable=True,
    ancestors=(b"parent",),
)


def test_a_look_up_shows_exactly_these_fields() -> None:
    assert lookup(ENTRY, "cus.x", NOW_NS) == {
        "accessor": "acc",
        "creation_time": 1_700_000_000,
        "creation_ttl": 60,
        "display_name": "token",
        "entity_id": "",
        "expire_time": "2023-11-14T22:14:20.000000000Z",
        "explicit_max_ttl": 0,
        "id": "cus.x",
        "issue_time": "2023-11-14T22:13:20.000000000Z",
        "meta": None,
        "num_uses": 0,
        "orphan": False,
        "path": "auth/token/create",
        "policies": ["default", "web"],
        "renewable": True,
        "ttl": 60,
        "type": "service",
    }


def test_a_generated_root_token_has_no_lease_to_show() -> None:
    root = TokenEntry(
        accessor="a", accessor_hash=b"h", policies=("root",), path=ROOT_PATH, created_ns=NOW_NS
    )
    data = lookup(root, "", NOW_NS)
    assert data["expire_time"] is None
    assert data["ttl"] == 0
    assert data["orphan"] is True
    assert "renewable" not in data
    assert "issue_time" not in data


def test_period_and_renewal_are_shown_where_there_are_some() -> None:
    entry = msgspec.structs.replace(
        ENTRY, period=60, last_renewal_ns=NOW_NS + NANOSECOND, meta={"team": "a"}
    )
    data = lookup(entry, "", NOW_NS)
    assert data["period"] == 60
    assert data["last_renewal"] == "2023-11-14T22:13:21.000000000Z"
    assert data["last_renewal_time"] == 1_700_000_001
    assert data["meta"] == {"team": "a"}


def test_the_life_left_is_rounded_and_never_negative() -> None:
    assert remaining(ENTRY, NOW_NS + 400_000_000) == 60
    assert remaining(ENTRY, NOW_NS + 600_000_000) == 59
    assert remaining(ENTRY, NOW_NS + 99 * NANOSECOND) == 0
