"""Warnings about what an author most likely did not mean."""

import pytest

from custody.policy.defaults import DEFAULT_POLICY
from custody.policy.document import parse
from custody.policy.lint import lint

MOUNTS = {"secret/": True, "kv1/": False, "team/kv/": True}


def warnings(path: str, body: str = 'capabilities = ["read"]') -> list[str]:
    return lint(parse("p", f'\npath "{path}" {{\n {body}\n}}'), MOUNTS)


@pytest.mark.parametrize(
    ("path", "suggestion"),
    [
        ("secret/data/*/app", "secret/data/+/app"),
        ("secret/data/x*y", "secret/data/x*"),
        ("secret/data/*/app*", "secret/data/+/app*"),
    ],
)
def test_a_star_in_the_middle_is_told_with_what_to_write(path: str, suggestion: str) -> None:
    (warning,) = warnings(path)
    assert warning == (
        f'path "{path}" on line 2: a "*" is a wildcard only at the end, here it is an ordinary '
        f'character; did you mean "{suggestion}"?'
    )


@pytest.mark.parametrize(
    ("path", "suggestion"),
    [
        ("secret/app/*", "secret/data/app/*"),
        ("secret/app", "secret/data/app"),
        ("team/kv/app", "team/kv/data/app"),
        ("secret/app*", "secret/data/app*"),
    ],
)
def test_a_rule_that_misses_data_is_told_with_what_to_write(path: str, suggestion: str) -> None:
    (warning,) = warnings(path)
    assert warning.endswith(f'did you mean "{suggestion}"?')
    assert "KV engine of version 2" in warning


@pytest.mark.parametrize(
    "path",
    [
        "secret/*",
        "secret/+/app",
        "secret/data/app",
        "secret/metadata/*",
        "secret/detailed-metadata/*",
        "kv1/app",
        "sec*",
        "*",
        "+/x",
        "team/*",
        "team/+/data/x",
        "sys/mounts",
        "identity/entity/id/{{identity.entity.id}}",
    ],
)
def test_what_is_meant_is_not_warned_about(path: str) -> None:
    assert warnings(path) == []


def test_the_policy_that_every_store_has_is_clean() -> None:
    assert lint(parse("default", DEFAULT_POLICY), MOUNTS) == []


@pytest.mark.parametrize(
    ("path", "body", "part"),
    [
        ("nowhere/x", 'capabilities = ["read"]', "no mount is there"),
        ("v1/secret/data/x", 'capabilities = ["read"]', 'did you mean "secret/data/x"?'),
        ("kv1/a+b", 'capabilities = ["read"]', 'a "+" is a wildcard only as a whole segment'),
        ("kv1/a", "", "it grants nothing"),
        ("kv1/a", 'capabilities = ["sudo"]', '"sudo" alone grants nothing'),
        (
            "kv1/a",
            'capabilities = ["update"]\n allowed_parameters = { x = ["*"] }',
            'the value "*" of "x" in allowed_parameters stands for itself',
        ),
        (
            "kv1/a",
            'capabilities = ["update"]\n denied_parameters = { "*" = ["x"] }',
            'the values of "*" in denied_parameters are not looked at',
        ),
        (
            "kv1/a",
            'capabilities = ["read"]\n capabilities = ["list"]',
            '"capabilities" on line 4 is given twice',
        ),
    ],
)
def test_a_likely_mistake_is_told(path: str, body: str, part: str) -> None:
    assert any(part in warning for warning in warnings(path, body))


def test_a_path_that_comes_twice_is_told() -> None:
    text = 'path "a" { policy = "read" }\npath "/a" { policy = "write" }'
    assert lint(parse("p", text)) == ['path "a" on line 2 is already on line 1: the two are merged']


def in_vain(path: str, capabilities: str) -> list[str]:
    """Warnings where audit devices and each mount's tuning want sudo."""

    def sudo(path: str, capability: str) -> bool:
        return capability != "list" and path in {"sys/audit", "sys/audit/x", "sys/auth/x/tune"}

    text = f'path "{path}" {{\n capabilities = [{capabilities}]\n}}'
    return lint(parse("p", text), None, sudo)


@pytest.mark.parametrize(
    "path", ["sys/audit", "sys/audit*", "sys/audit/*", "sys/auth/+/tune", "sys/auth/+/tune*"]
)
def test_what_takes_sudo_as_well_is_told(path: str) -> None:
    assert in_vain(path, '"read", "update", "list"') == [
        f'path "{path}" on line 1: "read", "update" alone is refused there: add "sudo"'
    ]


@pytest.mark.parametrize("capabilities", ['"read", "sudo"', '"list"', '"deny"'])
def test_nothing_is_said_of_sudo_where_it_is_there_or_not_wanted(capabilities: str) -> None:
    assert in_vain("sys/audit", capabilities) == []


@pytest.mark.parametrize("path", ["*", "sys/*", "sys/a*", "+/audit", "sys/mounts"])
def test_nothing_is_said_of_sudo_where_other_paths_may_be_meant(path: str) -> None:
    assert in_vain(path, '"read"') == []
