"""Near misses: the rule that nearly allowed, and how."""

import pytest

from custody.policy.acl import ACL
from custody.policy.document import parse
from custody.policy.explain import MAX_NEAR_MISSES, Near, near_misses

NOW = 10**18


def of(granted: dict[str, str], more: str = "") -> ACL:
    return ACL.compile(
        [
            parse(
                "p",
                "\n".join(
                    f'path "{path}" {{ policy = "{word}" {more} }}'
                    for path, word in granted.items()
                ),
            )
        ],
        NOW,
    )


@pytest.mark.parametrize(
    ("pattern", "op", "path", "near", "covered"),
    [
        ("secret/x", "update", "secret/x", Near.OTHER_CAPABILITY, "secret/x"),
        ("secret/data/app/*", "read", "secret/app/x", Near.KV_SEGMENT, "secret/data/app/x"),
        ("team/kv/metadata/*", "list", "team/kv/x", Near.KV_SEGMENT, "team/kv/metadata/x"),
        ("secret/app/*", "read", "secret/data/app/x", Near.KV_SEGMENT, "secret/app/x"),
        ("kv/app/", "read", "kv/app", Near.SLASH, "kv/app/"),
        ("kv/app", "read", "kv/app/", Near.SLASH, "kv/app"),
        ("kv/App/*", "read", "kv/app/x", Near.LETTER_CASE, "kv/App/*"),
        ("kv/production/app", "read", "kv/prodution/app", Near.SIMILAR, "kv/production/app"),
    ],
)
def test_the_nearest_rule_is_found(
    pattern: str, op: str, path: str, near: Near, covered: str
) -> None:
    compiled = of({pattern: "read", "far/away": "write"})
    assert not compiled.decide(op, path).allowed
    first = near_misses(compiled, op, path)[0]
    assert (first.near, first.path, first.rule.pattern) == (near, covered, pattern)


def test_a_wider_rule_that_was_shadowed_is_named() -> None:
    compiled = of({"secret/*": "write", "secret/app": "read"})
    found = near_misses(compiled, "update", "secret/app")
    assert [(miss.near, miss.rule.pattern) for miss in found] == [
        (Near.OTHER_CAPABILITY, "secret/app"),
        (Near.SHADOWED, "secret/*"),
    ]


def test_a_rule_that_has_ended_is_named() -> None:
    compiled = of({"secret/app": "read"}, 'expiration = "1"')
    (miss,) = near_misses(compiled, "read", "/secret/app")
    assert miss.near is Near.ENDED


def test_nothing_near_is_nothing_and_there_is_a_bound() -> None:
    assert near_misses(of({"far/away": "read"}), "read", "kv/app") == ()
    assert near_misses(of({}), "read", "") == ()
    many = of({f"kv/app{number}": "read" for number in range(20)})
    assert len(near_misses(many, "read", "kv/app")) == MAX_NEAR_MISSES
