from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from custody.core.call import Answer
from custody.http.envelope import Envelope
from custody.http.response import Encoded, encode_answer, encode_error
from custody.plugin.context import Auth
from custody.plugin.request import Reply

SECURITY = b"max-age=31536000; includeSubDomains"
AUTH = Auth(
    client_token="cus.x",
    accessor="a",
    policies=("default", "web"),
    token_policies=("default", "web"),
    metadata=None,
    lease_duration=60,
    renewable=True,
)


def header(encoded: Encoded, name: bytes) -> bytes | None:
    return next((value for key, value in encoded[1] if key == name), None)


def test_an_envelope_holds_every_part() -> None:
    answer = Answer("id-1", 200, Reply(data={"a": 1}))
    assert encode_answer(answer)[2] == (
        b'{"request_id":"id-1","lease_id":"","renewable":false,"lease_duration":0,'
        b'"data":{"a":1},"wrap_info":null,"warnings":null,"auth":null}\n'
    )


def test_every_answer_says_what_it_is_and_that_nobody_keeps_it() -> None:
    for encoded in (
        encode_answer(Answer("i", 200, Reply(data={}))),
        encode_answer(Answer("i", 204)),
        encode_error(404, ()),
    ):
        assert header(encoded, b"content-type") == b"application/json"
        assert header(encoded, b"cache-control") == b"no-store"
        assert header(encoded, b"strict-transport-security") == SECURITY


def test_nothing_to_say_is_204_without_a_body() -> None:
    status, _, body = encode_answer(Answer("i", 204))
    assert (status, body) == (204, b"")


def test_a_body_has_its_length() -> None:
    encoded = encode_answer(Answer("i", 200, Reply(data={"ü": "<"})))
    assert header(encoded, b"content-length") == b"%d" % len(encoded[2])


@pytest.mark.parametrize(
    ("messages", "body"),
    [
        ((), b'{"errors":[]}\n'),
        (("a", 'b"<&>'), b'{"errors":["a","b\\"\\u003c\\u0026\\u003e"]}\n'),
        (
            ("1 error occurred:\n\t* x\n\n",),
            b'{"errors":["1 error occurred:\\n\\t* x\\n\\n"]}\n',
        ),
    ],
)
def test_an_error_is_a_list_of_texts(messages: tuple[str, ...], body: bytes) -> None:
    assert encode_error(400, messages)[2] == body


def test_angle_brackets_are_escaped_as_go_does() -> None:
    body = encode_answer(Answer("i", 200, Reply(data={"<a>": "&amp;"}), raw=True))[2]
    assert body == b'{"\\u003ca\\u003e":"\\u0026amp;"}\n'


@given(
    st.dictionaries(st.text(st.characters(codec="utf-8")), st.text(st.characters(codec="utf-8")))
)
def test_escaping_changes_no_value(data: dict[str, str]) -> None:
    body = encode_answer(Answer("i", 200, Reply(data=data), raw=True))[2]
    assert msgspec.json.decode(body) == data
    assert not {*b"<>&"} & {*body}


def envelope(data: dict[str, Any] | None, seconds: int, warnings: tuple[str, ...]) -> Envelope:
    return Envelope(
        request_id="i",
        lease_id="",
        renewable=False,
        lease_duration=seconds,
        data=data,
        wrap_info=None,
        warnings=warnings or None,
        auth=None,
    )


@given(
    st.dictionaries(st.text(st.characters(codec="utf-8")), st.text(st.characters(codec="utf-8"))),
    st.integers(min_value=0, max_value=2**31),
    st.lists(st.sampled_from(["w", "<"]), max_size=2).map(tuple),
)
def test_data_that_are_in_json_already_make_the_same_answer(
    data: dict[str, str], seconds: int, warnings: tuple[str, ...]
) -> None:
    reply = Reply(data=data, lease_duration=seconds)
    anew, made = [
        encode_answer(Answer("i", 200, reply, warnings, text=text))[2]
        for text in (b"", msgspec.json.encode(data))
    ]
    assert made == anew
    whole = msgspec.json.encode(envelope(data, seconds, warnings))
    assert msgspec.json.decode(made) == msgspec.json.decode(whole)


@pytest.mark.parametrize("data", [None, {}, {"a": None}])
def test_an_answer_has_every_part_of_the_envelope_in_its_order(data: dict[str, Any] | None) -> None:
    body = encode_answer(Answer("i", 200, Reply(data=data, lease_duration=7)))[2]
    assert body == msgspec.json.encode(envelope(data, 7, ())) + b"\n"


def test_what_is_for_the_record_alone_is_not_answered() -> None:
    reply = Reply(data={"found": 1}, recorded={"accessor": "a"})
    body = encode_answer(Answer("i", 200, reply, text=b'{"found":1,"accessor":"a"}'))[2]
    assert msgspec.json.decode(body)["data"] == {"found": 1}


def test_warnings_are_null_or_a_list() -> None:
    answer = Answer("i", 200, Reply(), warnings=("w",))
    assert msgspec.json.decode(encode_answer(answer)[2])["warnings"] == ["w"]


def test_data_of_some_routes_stands_beside_the_envelope_too() -> None:
    answer = Answer("i", 200, Reply(data={"keys": ["a"], "request_id": "never"}), top=True)
    body = msgspec.json.decode(encode_answer(answer)[2])
    assert body["keys"] == ["a"]
    assert body["request_id"] == "i"
    assert body["data"] == {"keys": ["a"], "request_id": "never"}


def test_a_raw_answer_is_its_data_alone() -> None:
    assert encode_answer(Answer("i", 503, Reply(data={"sealed": True}), raw=True)) == (
        503,
        [
            (b"content-type", b"application/json"),
            (b"cache-control", b"no-store"),
            (b"strict-transport-security", SECURITY),
            (b"content-length", b"16"),
        ],
        b'{"sealed":true}\n',
    )


def test_other_content_is_sent_as_it_is() -> None:
    reply = Reply(content=b"<&>", content_type="text/plain", headers=(("X-Y", "z"),))
    encoded = encode_answer(Answer("i", 200, reply))
    assert encoded[2] == b"<&>"
    assert header(encoded, b"content-type") == b"text/plain"
    assert header(encoded, b"x-y") == b"z"


def test_a_token_handed_out_has_all_its_fields() -> None:
    body = msgspec.json.decode(encode_answer(Answer("i", 200, Reply(auth=AUTH)))[2])
    assert body["data"] is None
    assert body["auth"] == {
        "client_token": "cus.x",
        "accessor": "a",
        "policies": ["default", "web"],
        "token_policies": ["default", "web"],
        "metadata": None,
        "lease_duration": 60,
        "renewable": True,
        "entity_id": "",
        "token_type": "service",
        "orphan": True,
        "mfa_requirement": None,
        "num_uses": 0,
    }


def test_a_token_without_policies_leaves_its_own_out() -> None:
    bare = Auth("t", "a", (), (), None, 0, renewable=False)
    auth = msgspec.json.decode(encode_answer(Answer("i", 200, Reply(auth=bare)))[2])["auth"]
    assert auth["policies"] == []
    assert "token_policies" not in auth
