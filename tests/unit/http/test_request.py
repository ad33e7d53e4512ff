from contextlib import suppress

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from custody.base.errors import (
    BadRequest,
    CustodyError,
    HeaderTooLarge,
    MethodNotAllowed,
    NotFound,
    PathTooLong,
    UnsupportedMediaType,
)
from custody.http.parsed import Headers, Target
from custody.http.request import (
    BadPath,
    Redirect,
    read_headers,
    read_object,
    read_target,
    read_wrap_ttl,
)
from custody.plugin.route import Op

FORM = "application/x-www-form-urlencoded"


def target(method: str, line: str) -> Target:
    path, _, query = line.partition("?")
    return read_target(method, path.encode(), query.encode())


def headers(*pairs: tuple[str, str]) -> Headers:
    encoded = [(name.encode(), value.encode("latin-1")) for name, value in pairs]
    return read_headers(encoded, chunked_default=False)


def token_of(found: Headers) -> str | None:
    return None if found.token is None else found.token.reveal()


@pytest.mark.parametrize(
    ("method", "op"),
    [
        ("GET", Op.READ),
        ("HEAD", Op.READ),
        ("LIST", Op.LIST),
        ("SCAN", Op.SCAN),
        ("POST", Op.WRITE),
        ("PUT", Op.WRITE),
        ("PATCH", Op.PATCH),
        ("DELETE", Op.DELETE),
    ],
)
def test_a_verb_is_an_operation(method: str, op: Op) -> None:
    assert target(method, "/v1/a/").op is op


@pytest.mark.parametrize("method", ["FOO", "TRACE", "CONNECT", "get", ""])
def test_a_verb_that_nobody_knows_is_refused_without_words(method: str) -> None:
    with pytest.raises(MethodNotAllowed) as refused:
        target(method, "/v1/a")
    assert refused.value.listed == ()


def test_options_is_for_cross_origin_requests_only() -> None:
    with pytest.raises(BadRequest, match="cannot handle internal-only request operation"):
        target("OPTIONS", "/v1/a")


@pytest.mark.parametrize("path", ["/v1", "/foo", "/v2/a", "//v1/a", "/V1/a", "", "v1/a"])
def test_outside_v1_there_is_nothing(path: str) -> None:
    with pytest.raises(NotFound) as refused:
        target("GET", path)
    assert refused.value.listed == ()


def test_there_is_no_user_interface_at_the_root_to_be_sent_to() -> None:
    with pytest.raises(NotFound):
        target("GET", "/")


@pytest.mark.parametrize(
    ("method", "line", "location"),
    [
        ("GET", "/v1//sys/mounts", "/v1/sys/mounts"),
        ("POST", "/v1/secret//data///x", "/v1/secret/data/x"),
        ("GET", "/v1/sys//mounts?a=b&c", "/v1/sys/mounts?a=b&c"),
        ("LIST", "/v1/secret/metadata//", "/v1/secret/metadata/"),
        ("GET", "/v1/secret/data/../../b", "/v1/b"),
        ("GET", "/v1/secret/data/./b", "/v1/secret/data/b"),
        ("GET", "/v1/secret/data/..", "/v1/secret/"),
        ("GET", "/v1/../../../x", "/x"),
        ("GET", "/v1/..//evil.example/%2e", "/evil.example/%2e"),
    ],
)
def test_a_path_that_is_not_clean_is_redirected(method: str, line: str, location: str) -> None:
    with pytest.raises(Redirect) as redirect:
        target(method, line)
    assert redirect.value.location == location


@pytest.mark.parametrize("name", [".env", "a..b", "..x", "x..", "...", "a.", ".a/.b"])
def test_dots_in_names_are_just_letters(name: str) -> None:
    assert target("GET", f"/v1/secret/data/{name}").path == f"secret/data/{name}"


@pytest.mark.parametrize("path", ["/v1/a/%2e%2e/b", "/v1/a%2f..%2fb", "/v1/a/%2E./b"])
def test_a_relative_path_in_disguise_is_refused(path: str) -> None:
    with pytest.raises(BadRequest) as refused:
        target("GET", path)
    assert refused.value.listed == ("relative paths not supported",)


@pytest.mark.parametrize(
    "path", ["%00", "%0a", "%0D%0a", "%7f", "%1b[1m", "%C2%A0", "%E2%80%AE", "%zz", "%", "%4"]
)
def test_what_cannot_be_printed_is_no_path(path: str) -> None:
    with pytest.raises(BadPath):
        target("GET", f"/v1/secret/data/{path}")


def test_a_path_is_unicode() -> None:
    assert target("GET", "/v1/secret/data/%C3%BC%20x").path == "secret/data/ü x"
    assert read_target("GET", "/v1/é".encode(), b"").path == "é"
    with pytest.raises(BadRequest, match="not UTF-8"):
        target("GET", "/v1/secret/data/%ff")


@pytest.mark.parametrize("value", ["1", "t", "T", "true", "TRUE", "True"])
def test_list_is_a_go_bool(value: str) -> None:
    found = target("GET", f"/v1/secret/metadata?list={value}")
    assert (found.op, found.path) == (Op.LIST, "secret/metadata/")
    assert target("GET", f"/v1/secret/metadata?scan={value}").op is Op.SCAN


@pytest.mark.parametrize("value", ["", "0", "f", "F", "false", "FALSE", "False"])
def test_a_false_list_is_a_read(value: str) -> None:
    found = target("GET", f"/v1/secret/metadata?list={value}&scan={value}")
    assert (found.op, found.path) == (Op.READ, "secret/metadata")


@pytest.mark.parametrize("query", ["list=yes", "scan=2", "list=true&scan=true", "list=tRUE"])
def test_another_value_of_list_is_refused_without_words(query: str) -> None:
    with pytest.raises(BadRequest) as refused:
        target("GET", f"/v1/secret/metadata?{query}")
    assert refused.value.listed == ()


def test_only_a_get_is_turned_into_a_list() -> None:
    assert target("HEAD", "/v1/a?list=true").op is Op.READ
    assert target("POST", "/v1/a?list=yes").op is Op.WRITE


def test_a_list_ends_in_one_slash() -> None:
    assert target("LIST", "/v1/a").path == "a/"
    assert target("LIST", "/v1/a/").path == "a/"


@pytest.mark.parametrize(("query", "asked"), [("help=1", True), ("help=0", True), ("help=", False)])
def test_help_is_asked_for_by_any_value(query: str, asked: bool) -> None:  # noqa: FBT001 a case
    assert target("GET", f"/v1/a?{query}").help is asked


def test_a_query_is_text() -> None:
    assert target("GET", "/v1/a?b=1&b=2&c=%C3%BC+x&d").query == {"b": "2", "c": "ü x", "d": ""}
    for query in ("a=%ff", "a=é"):
        with pytest.raises(BadRequest, match="the query is not UTF-8"):
            target("GET", f"/v1/a?{query}")


def test_a_path_has_a_length() -> None:
    assert target("GET", "/v1/a?b=" + "x" * 8000).query["b"] == "x" * 8000
    for line in ("/v1/" + "x/" * 4096, "/v1/a?b=" + "x" * 8192):
        with pytest.raises(PathTooLong):
            target("GET", line)
    assert len(target("GET", "/v1/" + "x/" * 1024).path) == 2048
    with pytest.raises(BadRequest, match="path is over 2048 bytes"):
        target("GET", "/v1/" + "x/" * 1024 + "x")


def test_a_segment_has_a_length_in_bytes() -> None:
    assert target("GET", "/v1/a/" + "x" * 400).op is Op.READ
    for segment in ("x" * 401, "%C3%BC" * 201):
        with pytest.raises(BadRequest, match="segment of the path is over 400 bytes"):
            target("GET", f"/v1/a/{segment}")


@given(st.text(max_size=60), st.text(alphabet="LISTGETPO", max_size=6))
def test_no_request_line_is_an_internal_error(path: str, method: str) -> None:
    with suppress(CustodyError, Redirect, BadPath):
        target(method, "/v1/" + path)


def test_a_token_comes_in_its_header_or_as_a_bearer() -> None:
    assert token_of(headers(("x-vault-token", "a"))) == "a"
    assert token_of(headers(("authorization", "Bearer b"))) == "b"
    assert token_of(headers(("authorization", "Bearer  b "))) == "b"
    assert token_of(headers(("x-vault-token", "a"), ("authorization", "Bearer b"))) == "a"
    assert token_of(headers(("authorization", "Bearer b"), ("x-vault-token", "a"))) == "a"
    assert token_of(headers(("x-vault-token", " "), ("authorization", "Bearer b"))) == "b"


@pytest.mark.parametrize(
    ("name", "first", "second", "attribute"),
    [
        ("content-type", "application/json", FORM, "content_type"),
        ("x-vault-wrap-ttl", "60", "0", "wrap_ttl"),
        ("x-vault-namespace", "root", "/", "namespace"),
        ("origin", "https://a", "https://b", "origin"),
    ],
)
def test_of_a_header_that_comes_twice_the_first_counts(
    name: str, first: str, second: str, attribute: str
) -> None:
    assert getattr(headers((name, first), (name, second)), attribute) == first
    assert token_of(headers(("x-vault-token", "a"), ("x-vault-token", "b"))) == "a"
    bearers = (("authorization", "Bearer a"), ("authorization", "Bearer b"))
    assert token_of(headers(*bearers)) == "a"


@pytest.mark.parametrize("value", ["Basic YTpi", "Bearer", "Bearer ", "b", ""])
def test_other_authorizations_are_nobodys(value: str) -> None:
    assert headers(("authorization", value)).token is None


def test_a_token_of_other_bytes_is_kept_as_it_came() -> None:
    found = read_headers([(b"x-vault-token", b"\xff\xfe")], chunked_default=False)
    assert token_of(found) == "\xff\xfe"


def test_a_header_has_a_size() -> None:
    assert headers(("a", "x" * 65_531)).token is None
    with pytest.raises(HeaderTooLarge):
        headers(("a", "x" * 65_532))
    with pytest.raises(HeaderTooLarge):
        headers(*[("a", "")] * 14_000)


@pytest.mark.parametrize("value", ["x", "-1", "+1", " 1", "1.0", "٣", "1" * 16, ""])
def test_a_length_is_a_number(value: str) -> None:
    with pytest.raises(BadRequest, match="Content-Length is not a number"):
        read_headers([(b"content-length", value.encode())], chunked_default=False)


def test_a_body_without_a_length_is_chunked() -> None:
    assert headers().content_length == 0
    assert headers(("content-length", "5")).content_length == 5
    assert headers(("transfer-encoding", "chunked")).content_length is None
    both = (("transfer-encoding", "chunked"), ("content-length", "0"))
    assert headers(*both).content_length is None
    assert headers(*both[::-1]).content_length is None
    assert read_headers([], chunked_default=True).content_length is None


@pytest.mark.parametrize("value", ["root", "/root/", "/", "", "root/"])
def test_there_is_the_root_namespace(value: str) -> None:
    assert headers(("x-vault-namespace", value)).namespace == value


@pytest.mark.parametrize("value", ["nope", "root/x", "Root"])
def test_there_is_no_other_namespace(value: str) -> None:
    with pytest.raises(NotFound) as refused:
        headers(("x-vault-namespace", value))
    assert refused.value.listed == ("namespace not found",)


@pytest.mark.parametrize(("text", "seconds"), [("60", 60), ("5m", 300), ("0", 0), ("1.5h", 5400)])
def test_wrapping_is_asked_for_as_a_duration(text: str, seconds: int) -> None:
    assert read_wrap_ttl(text) == seconds


def test_wrapping_is_not_asked_for_otherwise() -> None:
    with pytest.raises(BadRequest) as refused:
        read_wrap_ttl("abc")
    assert refused.value.listed == (
        'error parsing X-Vault-Wrap-TTL header: time: invalid duration "abc"',
    )
    with pytest.raises(BadRequest) as refused:
        read_wrap_ttl("-5")
    assert refused.value.listed == (
        "error parsing X-Vault-Wrap-TTL header: requested wrap ttl cannot be negative",
    )


@pytest.mark.parametrize("body", [b"", b"  \n", b"null", b"{}", b" {} "])
def test_nothing_is_an_empty_object(body: bytes) -> None:
    assert read_object(body, "", Op.WRITE) == {}


def test_a_body_is_one_object_whatever_its_type_says() -> None:
    for media in ("", "application/json", "text/plain", FORM):
        assert read_object(b'{"a":{"b":[1,null]}}', media, Op.WRITE) == {"a": {"b": [1, None]}}
    assert read_object(b'{"a":1,"a":2}', "", Op.WRITE) == {"a": 2}


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"[1]", "array"),
        (b'"x"', "string"),
        (b"1", "number"),
        (b"1.5", "number"),
        (b"true", "bool"),
    ],
)
def test_a_body_is_nothing_else(body: bytes, kind: str) -> None:
    with pytest.raises(BadRequest) as refused:
        read_object(body, "", Op.WRITE)
    text = f"cannot unmarshal {kind} into Go value of type map[string]interface {{}}"
    assert refused.value.listed == (f"failed to decode JSON input: json: {text}",)


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b'{"a":1} x',
        b'{"a":1}{"b":2}',
        b"{'a':1}",
        b'{"a":NaN}',
        b'{"a":Infinity}',
        b'{"a":1e400}',
        b'{"a":' + b"1" * 5000 + b"}",
        b'{"a":"\xff"}',
        b'{"a":"\xed\xa0\x80"}',
        b'{"a":"\\ud800"}',
        b'{"a":"\\ud800\\u0041"}',
        b'{"a":"\\udc00"}',
        b"\xef\xbb\xbf{}",
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b"\x00",
    ],
)
def test_broken_json_is_the_callers_mistake(body: bytes) -> None:
    with pytest.raises(BadRequest) as refused:
        read_object(body, "", Op.WRITE)
    (text,) = refused.value.listed
    assert text.startswith("failed to decode JSON input: ")
    assert len(text) < 120


@pytest.mark.parametrize("half", [rb"\ud800", rb"\uD83D\u0041", rb"\udc00", rb"\ud83d\ud83d"])
def test_half_of_a_character_is_told_from_an_end_too_early(half: bytes) -> None:
    with pytest.raises(BadRequest) as refused:
        read_object(b'{"a":"' + half + b'"}', "", Op.WRITE)
    assert "unexpected EOF" not in refused.value.listed[0]


def test_json_that_ends_too_early_is_told_in_gos_words() -> None:
    with pytest.raises(BadRequest, match="failed to decode JSON input: unexpected EOF"):
        read_object(b'{"a":', "", Op.WRITE)


def test_json_is_at_most_64_levels_deep() -> None:
    assert read_object(b'{"a":' + b"[" * 63 + b"]" * 63 + b"}", "", Op.WRITE)
    assert read_object(b'{"a":[' + b"[]," * 5000 + b"{}]}", "", Op.WRITE)
    for opening, closing in ((b"[", b"]"), (b'{"b":', b"}")):
        body = b'{"a":' + opening * 64 + b"1" * (opening != b"[") + closing * 64 + b"}"
        with pytest.raises(BadRequest, match="nested more than 64 levels deep"):
            read_object(body, "", Op.WRITE)


@pytest.mark.parametrize(
    ("most", "one_more"),
    [
        ({"data": {f"k{i}": "" for i in range(499)}, "n": 1}, {"m": None}),
        ({"l": ["x"] * 999}, {"m": 1.5}),
        ({"l": ['"' * 9] * 999}, {"m": True}),
        ({f"k{i}": [{}] for i in range(1000)}, {"m": [[], 1]}),
    ],
)
def test_json_holds_a_thousand_names_and_texts(
    most: dict[str, object], one_more: dict[str, object]
) -> None:
    assert read_object(msgspec.json.encode(most), "", Op.WRITE) == most
    body = msgspec.json.encode(most | one_more)
    with pytest.raises(BadRequest) as refused:
        read_object(body, "", Op.WRITE)
    assert refused.value.listed == (
        "refused JSON input due to high complexity: exceeded maximum number of strings",
    )
    assert read_object(body, "", Op.WRITE, max_strings=1001) == most | one_more


def test_numbers_and_empty_things_are_no_texts() -> None:
    value = {"l": [[], {}, 1, None, True] * 5000}
    assert read_object(msgspec.json.encode(value), "", Op.WRITE) == value


def test_a_form_becomes_text_fields() -> None:
    assert read_object(b"a=b&c=%C3%BC+x&d=", FORM, Op.WRITE) == {"a": "b", "c": "ü x", "d": ""}
    assert read_object(b"a=1&a=2&a=3", f"{FORM}; charset=utf-8", Op.WRITE) == {"a": ["1", "2", "3"]}


@pytest.mark.parametrize("body", [b"a=%ff", b"a=\xff", b"a=1&" * 1001])
def test_a_broken_form_is_the_callers_mistake(body: bytes) -> None:
    with pytest.raises(BadRequest) as refused:
        read_object(body, FORM, Op.WRITE)
    assert refused.value.listed == ("error parsing form data",)


def test_only_a_write_has_a_body() -> None:
    assert [
        method
        for method in ("GET", "LIST", "SCAN", "DELETE", "POST", "PUT", "PATCH")
        if target(method, "/v1/a/").bodied
    ] == ["POST", "PUT", "PATCH"]
    assert not target("POST", "/v1/a?help=1").bodied


@pytest.mark.parametrize(
    "media", ["application/merge-patch+json", "Application/Merge-Patch+JSON; charset=utf-8"]
)
def test_a_patch_is_a_merge_patch(media: str) -> None:
    assert read_object(b'{"a":null}', media, Op.PATCH) == {"a": None}


def test_a_patch_of_another_type_is_refused() -> None:
    for media in ("", ";;", " ; charset=utf-8"):
        with pytest.raises(BadRequest) as refused:
            read_object(b"{}", media, Op.PATCH)
        assert refused.value.listed == ("mime: no media type",)
    with pytest.raises(UnsupportedMediaType) as unsupported:
        read_object(b"{}", "application/json", Op.PATCH)
    assert unsupported.value.listed == (
        "PATCH requires Content-Type of application/merge-patch+json, provided application/json",
    )


@given(st.binary(max_size=80), st.sampled_from(["", FORM, "text/plain"]))
def test_no_body_is_an_internal_error(body: bytes, media: str) -> None:
    value: object = {}
    with suppress(BadRequest):
        value = read_object(body, media, Op.WRITE)
    assert isinstance(value, dict)


@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.integers(-(2**63), 2**64 - 1)
        | st.text(st.characters(codec="utf-8")),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.text(st.characters(codec="utf-8")), inner, max_size=3)
        ),
    )
)
def test_json_comes_through_unchanged(value: object) -> None:
    assert read_object(msgspec.json.encode({"a": value}), "", Op.WRITE) == {"a": value}
