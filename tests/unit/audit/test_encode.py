"""The fields of a record, exactly, and that nothing secret is in it."""

import json
from typing import Any

import msgspec
import pytest
from tests.unit.audit.entries import changed

from custody.audit.encode import Encoder
from custody.audit.entry import RequestEntry, ResponseEntry
from custody.audit.hash import Hasher
from custody.audit.record import Caller, Decision, Mount, Rule, Wrapped
from custody.audit.shapes import Format

KEY = bytes(range(32))
TIME = "2026-11-18T11:06:40.123456789Z"


def hashed(text: str) -> str:
    return Hasher(KEY).text(text)


def record(entry: RequestEntry | ResponseEntry, form: Format | None = None) -> dict[str, Any]:
    decoded: dict[str, Any] = json.loads(Encoder(KEY, form or Format()).encode(entry))
    return decoded


AUTH = {
    "client_token": hashed("planted-token"),
    "accessor": hashed("accessor-1"),
    "display_name": "token-app",
    "policies": ["app", "default"],
    "token_policies": ["app", "default"],
    "policy_results": {
        "allowed": True,
        "granting_policies": [{"name": "app", "namespace_id": "root", "type": "acl"}],
    },
    "metadata": {"team": "blue"},
    "entity_id": "entity-1",
    "token_type": "service",
    "token_ttl": 3600,
    "token_issue_time": "2026-11-22T00:00:00Z",
    "remaining_uses": 3,
}
MOUNT = {
    "mount_point": "secret/",
    "mount_type": "kv",
    "mount_accessor": "kv_1",
    "mount_running_version": "v1",
    "mount_class": "secret",
}
REQUEST = {
    "id": "request-1",
    "operation": "update",
    **MOUNT,
    "client_token": hashed("planted-token"),
    "client_token_accessor": hashed("accessor-1"),
    "namespace": {"id": "root", "path": ""},
    "path": "secret/data/app",
    "data": {
        "data": {"password": hashed("planted-secret"), "port": 5432},
        "note": hashed("clear-note"),
    },
    "remote_address": "127.0.0.1",
    "remote_port": 40000,
    "wrap_ttl": 60,
}
CUSTODY = {"rule": {"policy": "app", "path": "secret/data/*", "line": 3}}


def test_a_request_record_has_these_fields_in_this_order(request_entry: RequestEntry) -> None:
    whole = {
        "time": TIME,
        "type": "request",
        "auth": AUTH,
        "request": REQUEST,
        "custody": CUSTODY,
    }
    encoded = Encoder(KEY, Format()).encode(request_entry)
    assert json.loads(encoded) == whole
    assert list(json.loads(encoded)) == list(whole)
    assert b"\n" not in encoded


def test_a_response_record_repeats_the_request_and_adds_the_answer(
    request_entry: RequestEntry,
) -> None:
    entry = ResponseEntry(
        time_ns=request_entry.time_ns,
        request=request_entry,
        data={"value": "planted-value", "version": 2},
        auth=Caller(id=b"n" * 32, accessor="accessor-2", policies=("default",)),
        auth_token="planted-new-token",
        lease_id="database/creds/app/1",
        wrap=Wrapped(
            token="planted-wrap",
            accessor="accessor-3",
            ttl=60,
            creation_time="2026-11-22T00:00:00Z",
            creation_path="secret/data/app",
        ),
        warnings=("watch out",),
        error="no",
        event_id="event-1",
        recovered=True,
    )
    assert record(entry) == {
        "time": TIME,
        "type": "response",
        "auth": AUTH,
        "request": REQUEST,
        "response": {
            "auth": {
                "client_token": hashed("planted-new-token"),
                "accessor": hashed("accessor-2"),
                "policies": ["default"],
            },
            **MOUNT,
            "secret": {"lease_id": "database/creds/app/1"},
            "data": {"value": hashed("planted-value"), "version": 2},
            "wrap_info": {
                "ttl": 60,
                "token": hashed("planted-wrap"),
                "accessor": hashed("accessor-3"),
                "creation_time": "2026-11-22T00:00:00Z",
                "creation_path": "secret/data/app",
            },
            "warnings": ["watch out"],
        },
        "error": "no",
        "custody": {"event_id": "event-1", "recovered": True, **CUSTODY},
    }
    assert b"planted" not in Encoder(KEY, Format()).encode(entry)


def test_a_denial_says_why_and_what_came_near(request_entry: RequestEntry) -> None:
    near = Rule(policy="app", path="secret/data/ap", line=9, reason="lacks update")
    denied = changed(
        request_entry,
        decision=Decision(allowed=False, reason="no rule matches", near_misses=(near,)),
        error="permission denied",
    )
    seen = record(denied)
    assert seen["auth"]["policy_results"] == {"allowed": False}
    assert seen["error"] == "permission denied"
    assert seen["custody"] == {
        "reason": "no rule matches",
        "near_misses": [
            {"policy": "app", "path": "secret/data/ap", "line": 9, "reason": "lacks update"}
        ],
    }


def test_a_request_without_a_known_caller_still_hashes_what_was_sent() -> None:
    entry = RequestEntry(
        time_ns=0, id="r", operation="read", path="secret/data/x", client_token="planted-bad"
    )
    assert record(entry) == {
        "time": "1970-01-01T00:00:00.000000000Z",
        "type": "request",
        "request": {
            "id": "r",
            "operation": "read",
            "client_token": hashed("planted-bad"),
            "namespace": {"id": "root", "path": ""},
            "path": "secret/data/x",
        },
    }


def test_a_mounts_exempt_fields_stay_clear(request_entry: RequestEntry) -> None:
    mount = Mount(
        point="secret/",
        type="kv",
        request_keys=frozenset({"note"}),
        response_keys=frozenset({"keys"}),
    )
    entry = changed(request_entry, mount=mount)
    assert record(entry)["request"]["data"]["note"] == "clear-note"
    answer = ResponseEntry(time_ns=0, request=entry, data={"keys": ["a"], "b": "c"})
    assert record(answer)["response"]["data"] == {"keys": ["a"], "b": hashed("c")}


def test_lists_can_be_elided_to_counts(request_entry: RequestEntry) -> None:
    listed = changed(request_entry, operation="list")
    answer = ResponseEntry(
        time_ns=0, request=listed, data={"keys": ["a", "b"], "key_info": {"a": {"x": "y"}}}
    )
    form = Format(elide_list_responses=True)
    assert record(answer, form)["response"]["data"] == {"keys": 2, "key_info": 1}
    read = ResponseEntry(time_ns=0, request=request_entry, data={"keys": ["a"]})
    assert record(read, form)["response"]["data"] == {"keys": [hashed("a")]}


def test_accessors_can_stay_clear_and_everything_can_be_raw(request_entry: RequestEntry) -> None:
    clear = record(request_entry, Format(hmac_accessor=False))
    assert clear["auth"]["accessor"] == clear["request"]["client_token_accessor"] == "accessor-1"
    assert clear["auth"]["client_token"] == hashed("planted-token")
    raw = record(request_entry, Format(log_raw=True))
    assert raw["request"]["client_token"] == "planted-token"
    assert raw["request"]["data"] == request_entry.data


def test_headers_are_hashed_unless_they_are_named_clear(request_entry: RequestEntry) -> None:
    entry = changed(
        request_entry,
        headers={"x-request-id": ("1",), "x-secret": ("planted", "two")},
        clear_headers=frozenset({"x-request-id"}),
    )
    assert record(entry)["request"]["headers"] == {
        "x-request-id": ["1"],
        "x-secret": [hashed("planted"), hashed("two")],
    }


def test_a_caller_whose_entry_changed_is_not_remembered_as_before(
    request_entry: RequestEntry, caller: Caller
) -> None:
    encoder = Encoder(KEY, Format())
    encoder.encode(request_entry)
    other = msgspec.structs.replace(caller, remaining_uses=2, policies=("default",))
    entry = changed(request_entry, caller=other)
    auth = json.loads(encoder.encode(entry))["auth"]
    assert (auth["remaining_uses"], auth["policies"]) == (2, ["default"])
    denied = changed(entry, decision=Decision(allowed=False))
    assert json.loads(encoder.encode(denied))["auth"]["policy_results"] == {"allowed": False}


def test_a_recovered_record_without_the_token_does_not_hide_it_from_later_ones(
    request_entry: RequestEntry,
) -> None:
    encoder = Encoder(KEY, Format())
    without = changed(request_entry, client_token="")
    assert "client_token" not in json.loads(encoder.encode(without))["request"]
    later = json.loads(encoder.encode(request_entry))
    assert later["request"]["client_token"] == hashed("planted-token")


def test_two_devices_hash_the_same_request_each_under_its_own_key(
    request_entry: RequestEntry,
) -> None:
    first, second = Encoder(KEY, Format()), Encoder(b"z" * 32, Format())
    assert first.encode(request_entry) != second.encode(request_entry)
    assert json.loads(second.encode(request_entry))["request"]["client_token"] == second.hash(
        "planted-token"
    )


def test_the_memory_of_callers_is_bounded(request_entry: RequestEntry) -> None:
    encoder = Encoder(KEY, Format())
    for number in range(5000):
        caller = Caller(id=number.to_bytes(4, "big"), accessor=str(number))
        encoder.encode(changed(request_entry, caller=caller))
    assert len(encoder._known) <= 4096  # noqa: SLF001  # the bound is what is tested


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"data": {"a": "planted", "b": [1, None]}},
        {"auth_token": "planted"},
        {"data": {"a": "planted"}, "auth_token": "planted", "warnings": ("one", "two")},
        {"warnings": ("one",), "event_id": "event-1"},
    ],
)
def test_what_is_put_together_is_what_is_encoded_whole(
    answer: dict[str, Any], request_entry: RequestEntry, caller: Caller
) -> None:
    answer = answer | ({"auth": caller} if "auth_token" in answer else {})
    whole = changed(request_entry, wrap_ttl=0)
    shared = changed(whole, subject=whole)
    encoder = Encoder(KEY, Format())
    for first, second in (
        (whole, shared),
        (
            ResponseEntry(time_ns=0, request=whole, **answer),
            ResponseEntry(time_ns=0, request=shared, **answer),
        ),
    ):
        assert encoder.encode(first) == encoder.encode(second)


def read_again(entry: RequestEntry, data: dict[str, object]) -> ResponseEntry:
    """The answer to a read of which only the numbers under `version` are no secret."""
    asked = changed(
        entry, operation="read", wrap_ttl=0, clear_numbers=frozenset({"version"}), subject=entry
    )
    return ResponseEntry(time_ns=0, request=asked, data=data)


def test_an_answer_that_is_given_again_is_recorded_as_the_first_time(
    request_entry: RequestEntry,
) -> None:
    encoder = Encoder(KEY, Format())
    for data in (
        {"password": "planted", "pin": 1234, "version": 1},
        {"password": "planted", "pin": 1234, "version": 2},
        {"password": "planted ", "pin": 1234, "version": 2},
        {"password": "planted", "pin": "1234", "version": 2},
        {"nested": {"password": ["planted", None, True]}, "version": 3},
    ):
        first = encoder.encode(read_again(request_entry, data))
        assert encoder.encode(read_again(request_entry, data)) == first
        assert first == Encoder(KEY, Format()).encode(read_again(request_entry, data))
        assert b"planted" not in first
        assert b"1234" not in first


def test_what_stays_clear_is_asked_each_time(request_entry: RequestEntry) -> None:
    encoder, data = Encoder(KEY, Format()), {"pin": 1234, "name": "planted"}
    hidden = read_again(request_entry, data)
    encoder.encode(hidden)
    numbers = changed(hidden.request, clear_numbers=frozenset({"pin"}))
    shown = json.loads(encoder.encode(ResponseEntry(time_ns=0, request=numbers, data=data)))
    assert shown["response"]["data"] == {"pin": 1234, "name": hashed("planted")}
    mount = Mount(point="secret/", type="kv", response_keys=frozenset({"name"}))
    exempt = changed(hidden.request, mount=mount, subject=mount)
    shown = json.loads(encoder.encode(ResponseEntry(time_ns=0, request=exempt, data=data)))
    assert shown["response"]["data"]["name"] == "planted"


def test_nothing_clear_of_an_answer_is_remembered(request_entry: RequestEntry) -> None:
    for form in (Format(), Format(log_raw=True)):
        encoder = Encoder(KEY, form)
        encoder.encode(read_again(request_entry, {"password": "planted", "pin": 1234}))
        held = repr(encoder._answers._held)  # noqa: SLF001 what is kept is what is tested
        assert "planted" not in held
        assert "1234" not in held


def test_the_memory_of_answers_is_bounded(request_entry: RequestEntry) -> None:
    encoder = Encoder(KEY, Format())
    for number in range(4000):
        encoder.encode(read_again(request_entry, {"text": f"{number}", "more": ["x"] * 10}))
    held = encoder._answers._held  # noqa: SLF001 the bound is what is tested
    assert 0 < sum(len(shown) for _, shown in held.values()) <= 2 * 1024 * 1024
    assert len(held) < 4000
    known = len(held)
    encoder.encode(read_again(request_entry, {"text": "x" * 5000}))
    assert len(held) == known


@pytest.mark.parametrize("kind", ["request", "response", "wrap", "caller"])
def test_entries_print_nothing_secret(kind: str, request_entry: RequestEntry) -> None:
    assert request_entry.caller is not None
    values: dict[str, object] = {
        "request": request_entry,
        "response": ResponseEntry(time_ns=0, request=request_entry, data={"a": "planted-x"}),
        "wrap": Wrapped(
            token="planted-w", accessor="a", ttl=1, creation_time="", creation_path="p"
        ),
        "caller": request_entry.caller,
    }
    assert "planted" not in repr(values[kind])
