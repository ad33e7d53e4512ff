"""Policy texts: what is granted, on which line, and which words refuse a wrong one."""

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from custody.base.errors import BadRequest
from custody.policy import capability, document
from custody.policy.document import Rule

KEYS_PATH = "list_scan_response_keys_filter_path"
ONLY_KNOWN = "only {{ .key }} and {{ .path }} are known"


def rule(body: str, path: str = "a") -> Rule:
    (found,) = document.parse("p", f'path "{path}" {{\n{body}\n}}').rules
    return found


def refusal(text: str) -> str:
    with pytest.raises(BadRequest) as caught:
        document.parse("p", text)
    (message,) = caught.value.listed
    return message


def test_a_rule_keeps_its_policy_its_path_and_its_line() -> None:
    parsed = document.parse("web", '# x\npath "/secret/*" {\n capabilities = ["read", "list"]\n}')
    (found,) = parsed.rules
    assert (found.policy, found.pattern, found.line) == ("web", "secret/*", 2)
    assert found.capability_names() == ["list", "read"]
    assert parsed.policy == "web"


def test_every_capability_is_known() -> None:
    names = sorted(set(capability.BITS) - {"deny"})
    assert len(names) == 10
    assert rule(f"capabilities = {json.dumps(names)}").capability_names() == names


def test_an_unknown_capability_is_refused_by_name() -> None:
    assert (
        refusal('path "a" { capabilities = ["bogus"] }')
        == 'failed to parse policy: path "a": invalid capability "bogus"'
    )


def test_an_unknown_key_is_refused_as_openbao_words_it() -> None:
    assert (
        refusal('pth "a" { capabilities = ["read"] }')
        == 'failed to parse policy: 1 error occurred:\n\t* invalid key "pth" on line 0\n\n'
    )
    assert refusal('path "a" {\n cap = ["read"]\n ttl = 1\n}') == (
        "failed to parse policy: 2 errors occurred:\n"
        '\t* path "a": invalid key "cap" on line 2\n'
        '\t* path "a": invalid key "ttl" on line 3\n\n'
    )


def test_a_syntax_error_names_its_place() -> None:
    assert (
        refusal('path "a"{{')
        == "failed to parse policy: At 1:10: expected: IDENT | STRING got: LBRACE"
    )


@pytest.mark.parametrize(
    ("word", "names"),
    [
        ("read", ["list", "read"]),
        ("write", ["create", "delete", "list", "read", "update"]),
        ("sudo", ["create", "delete", "list", "read", "sudo", "update"]),
        ("deny", ["deny"]),
    ],
)
def test_the_old_policy_word_expands(word: str, names: list[str]) -> None:
    assert rule(f'policy = "{word}"').capability_names() == names


def test_an_unknown_policy_word_is_refused() -> None:
    assert refusal('path "a" { policy = "x" }').endswith('path "a": invalid policy "x"')


def test_a_deny_stands_alone_whatever_else_is_said() -> None:
    for body in (
        'capabilities = ["read", "deny"]',
        'capabilities = ["deny", "read"]',
        'capabilities = ["read"]\ncapabilities = ["deny"]',
        'capabilities = ["read"]\npolicy = "deny"',
    ):
        found = rule(body + '\nallowed_parameters = { x = ["y"] }')
        assert found.capabilities == capability.DENY
        assert found.allowed is None


def test_parameters_are_kept_with_lower_case_names() -> None:
    found = rule(
        'capabilities = ["update"]\n'
        'allowed_parameters = { "TTL" = ["1h", 5, true], "*" = [] }\n'
        "denied_parameters { Type = [] }\n"
        'required_parameters = ["ttl"]\n'
    )
    assert found.allowed == {"ttl": ("1h", 5, True), "*": ()}
    assert found.denied == {"type": ()}
    assert found.required == ("ttl",)


def test_what_is_given_twice_is_put_together() -> None:
    found = rule(
        'capabilities = ["read"]\ncapabilities = ["update"]\n'
        'allowed_parameters = { a = ["1"] }\nallowed_parameters = { A = ["2"], b = [] }\n'
    )
    assert found.capability_names() == ["read", "update"]
    assert found.allowed == {"a": ("1", "2"), "b": ()}


def test_times_and_limits_are_read() -> None:
    found = rule(
        'capabilities = ["list"]\nmin_wrapping_ttl = "1m"\nmax_wrapping_ttl = 90\n'
        'pagination_limit = "50"\nexpiration = "2030-01-02T03:04:05.5+01:00"\ncomment = "why"\n'
        'list_scan_response_keys_filter_path = "secret/data/{{ .path }}{{.key}}"'
    )
    assert found.min_wrapping_ns == 60 * 10**9
    assert found.max_wrapping_ns == 90 * 10**9
    assert found.pagination_limit == 50
    assert found.expires_ns == 1893549845_500_000_000
    assert found.comment == "why"
    assert found.keys_path is not None
    assert found.keys_path.resolve("x/", "y") == "secret/data/x/y"


def test_a_rule_has_ended_only_after_its_expiration() -> None:
    found = rule('capabilities = ["read"]\nexpiration = "100"')
    assert not found.expired(100 * 10**9)
    assert found.expired(100 * 10**9 + 1)
    assert rule('expiration = "1970-01-01T00:00:00Z"').expired(2)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("capabilities = 1", "capabilities is not a list of strings"),
        ("capabilities = [1]", "capabilities is not a list of strings"),
        ("capabilities = [[]]", "capabilities is not a list of strings"),
        ("policy = 1", "policy is not a string"),
        ("allowed_parameters = 1", "allowed_parameters is not a map of lists"),
        ("denied_parameters = { a = 1 }", "denied_parameters.a is not a list"),
        ('required_parameters = "a"', "required_parameters is not a list of strings"),
        (
            'min_wrapping_ttl = "x"',
            'error parsing min_wrapping_ttl: time: invalid duration "x"',
        ),
        ("max_wrapping_ttl = -1", "max_wrapping_ttl cannot be negative"),
        (
            "min_wrapping_ttl = 2\nmax_wrapping_ttl = 1",
            "max_wrapping_ttl cannot be less than min_wrapping_ttl",
        ),
        ("pagination_limit = true", "pagination_limit is not a number"),
        ("pagination_limit = -1", "pagination_limit cannot be negative"),
        (
            'expiration = "2030-13-01T00:00:00Z"',
            "invalid expiration time: could not parse string as date and time",
        ),
        ("comment = []", "comment is not a string"),
        (
            'list_scan_response_keys_filter_path = "{{ .key }}"',
            f"{KEYS_PATH} needs to be used on a path with the list capability",
        ),
        (
            'capabilities = ["list"]\nlist_scan_response_keys_filter_path = "{{ .path }}"',
            "list_scan_response_keys_filter_path resulted in same path for two different keys",
        ),
        (
            'capabilities = ["list"]\nlist_scan_response_keys_filter_path = "{{ env }}"',
            f"unable to compile template for {KEYS_PATH}: {ONLY_KNOWN}",
        ),
        (
            'control_group { ttl = "4h" }',
            "control_group is not supported, and is refused so as not to be ignored",
        ),
        (
            'mfa_methods = ["m"]',
            "mfa_methods is not supported, and is refused so as not to be ignored",
        ),
    ],
)
def test_a_wrong_setting_is_refused_with_its_path(body: str, reason: str) -> None:
    assert refusal(f'path "a" {{\n{body}\n}}') == f'failed to parse policy: path "a": {reason}'


def test_a_plus_before_a_star_is_refused() -> None:
    assert refusal('path "a/+*" {}').endswith("invalid use of wildcards ('+*' is forbidden)")


def test_an_inner_star_is_accepted() -> None:
    assert rule('capabilities = ["read"]', path="a*b").pattern == "a*b"


@pytest.mark.parametrize("path", ["a/{{x", "a}}", "{{a}}}}", "}}{{"])
def test_unbalanced_templates_are_refused(path: str) -> None:
    assert (
        refusal(f'path "{path}" {{}}') == "failed to parse policy: "
        "failed to validate policy templating: unbalanced templating characters"
    )


def test_a_templated_path_is_marked() -> None:
    assert rule("", path="identity/entity/id/{{identity.entity.id}}").templated
    assert not rule("", path="identity/entity").templated


@pytest.mark.parametrize("text", ['path = "a"', "path {}", 'path "a" "b" {}', 'path "a" = 1'])
def test_what_is_no_path_block_is_refused(text: str) -> None:
    if text != "path {}":
        assert refusal(text).startswith("failed to parse policy: ")
    else:
        assert document.parse("p", text).rules == ()


def test_json_says_the_same_as_hcl() -> None:
    text = '{"path": {\n"secret/*": {"capabilities": ["read"]},\n"x": {"policy": "write"}}}'
    first, second = document.parse("p", text).rules
    assert (first.pattern, first.line, first.capability_names()) == ("secret/*", 2, ["read"])
    assert (second.pattern, second.line) == ("x", 3)
    assert refusal('{"pth": {}}').endswith('invalid key "pth" on line 1\n\n')


def test_base64_is_decoded_and_other_text_left_alone() -> None:
    text = 'path "a" { capabilities = ["read"] }'
    assert document.decode_text(base64.b64encode(text.encode()).decode()) == text
    assert document.decode_text(text) == text
    with pytest.raises(BadRequest, match="UTF-8"):
        document.decode_text(base64.b64encode(b"\xff\xff").decode())


@given(st.text(max_size=80) | st.text(alphabet='path "a{}=[]\n,capbilities', max_size=80))
def test_no_text_raises_anything_but_bad_request(text: str) -> None:
    for each in (text, f'path "x" {{ {text} }}', f'path "{text}" {{}}'):
        try:
            parsed = document.parse("p", document.decode_text(each))
        except BadRequest:
            continue
        assert parsed.policy == "p"
