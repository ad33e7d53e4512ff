"""data/: reading, writing and soft deletion of payloads."""

from typing import Any

import pytest

from custody.base.clock import rfc3339
from custody.base.errors import BadRequest, NotFound
from custody.engines.kv.v2.records import MAX_PAYLOAD
from custody.plugin.request import Reply
from custody.plugin.route import Op
from custody.testing.engine import MountedEngine


def put(kv: MountedEngine, path: str, data: dict[str, Any], **options: Any) -> Any:
    reply = kv.call(Op.WRITE, f"data/{path}", {"data": data, "options": options})
    assert reply is not None
    assert reply.status is None
    return reply.data


def get(kv: MountedEngine, path: str, version: int | None = None) -> Reply:
    query = {} if version is None else {"version": str(version)}
    reply = kv.call(Op.READ, f"data/{path}", query=query)
    assert reply is not None
    return reply


def error(kv: MountedEngine, op: Op, path: str, body: dict[str, Any] | None = None) -> list[str]:
    with pytest.raises(BadRequest) as caught:
        kv.call(op, path, body)
    return list(caught.value.listed)


def test_a_write_answers_with_the_metadata_of_the_new_version(kv: MountedEngine) -> None:
    assert put(kv, "app", {"a": 1}) == {
        "created_time": rfc3339(kv.now_ns),
        "custom_metadata": None,
        "deletion_time": "",
        "destroyed": False,
        "version": 1,
    }
    assert put(kv, "app", {"a": 2})["version"] == 2


def test_a_read_answers_data_beside_the_metadata_of_its_version(kv: MountedEngine) -> None:
    written = put(kv, "team/app", {"user": "u", "nested": {"list": [1, None, True]}})
    assert get(kv, "team/app") == Reply(
        data={"data": {"user": "u", "nested": {"list": [1, None, True]}}, "metadata": written}
    )


def test_version_0_and_none_read_the_current_version_and_others_their_own(
    kv: MountedEngine,
) -> None:
    put(kv, "app", {"n": 1})
    put(kv, "app", {"n": 2})
    seen = [(get(kv, "app", version).data or {})["data"]["n"] for version in (None, 0, 1, 2)]
    assert seen == [2, 2, 1, 2]


@pytest.mark.parametrize("version", [3, 2**63 - 1])
def test_a_version_that_never_was_is_not_found_without_a_text(
    kv: MountedEngine, version: int
) -> None:
    put(kv, "app", {"n": 1})
    with pytest.raises(NotFound) as caught:
        get(kv, "app", version)
    assert list(caught.value.listed) == []


def test_a_version_beyond_64_bits_is_refused(kv: MountedEngine) -> None:
    with pytest.raises(BadRequest, match='for field "version"'):
        get(kv, "app", 2**63)


@pytest.mark.parametrize("path", ["data/none", "data/app/below", "data/ap", "subkeys/none"])
def test_a_secret_that_is_not_there_is_not_found_without_a_text(
    kv: MountedEngine, path: str
) -> None:
    put(kv, "app", {"n": 1})
    with pytest.raises(NotFound) as caught:
        kv.call(Op.READ, path)
    assert list(caught.value.listed) == []


def test_numbers_come_back_exactly(kv: MountedEngine) -> None:
    data = {"big": 12345678901234567890, "bigger": 10**60, "float": 0.1, "tiny": 5e-324}
    put(kv, "app", data)
    assert (get(kv, "app").data or {})["data"] == data


@pytest.mark.parametrize("body", [{}, {"data": None}, {"options": {"cas": 0}}])
@pytest.mark.parametrize("op", [Op.WRITE, Op.PATCH])
def test_a_write_without_data_is_refused(kv: MountedEngine, op: Op, body: dict[str, Any]) -> None:
    put(kv, "app", {"n": 1})
    assert error(kv, op, "data/app", body) == ["no data provided"]


@pytest.mark.parametrize("body", [{"data": "text"}, {"data": []}, {"data": {}, "options": 1}])
def test_data_and_options_must_be_objects(kv: MountedEngine, body: dict[str, Any]) -> None:
    (text,) = error(kv, Op.WRITE, "data/app", body)
    assert text.startswith("Field validation failed: error converting input for field")


def test_empty_data_is_a_version_like_any_other(kv: MountedEngine) -> None:
    put(kv, "app", {})
    assert (get(kv, "app").data or {})["data"] == {}


def test_cas_0_writes_only_what_does_not_exist(kv: MountedEngine) -> None:
    assert put(kv, "app", {"n": 1}, cas=0)["version"] == 1
    assert error(kv, Op.WRITE, "data/app", {"data": {}, "options": {"cas": 0}}) == [
        "check-and-set parameter did not match the current version"
    ]


@pytest.mark.parametrize("cas", [1, 3, -1, 2**70, "1"])
def test_cas_must_equal_the_current_version(kv: MountedEngine, cas: Any) -> None:
    put(kv, "app", {"n": 1})
    put(kv, "app", {"n": 2})
    assert error(kv, Op.WRITE, "data/app", {"data": {}, "options": {"cas": cas}}) == [
        "check-and-set parameter did not match the current version"
    ]
    assert put(kv, "app", {"n": 3}, cas=2)["version"] == 3


@pytest.mark.parametrize("cas", [2, "2", 2.0])
def test_cas_is_read_as_leniently_as_vault_reads_it(kv: MountedEngine, cas: Any) -> None:
    put(kv, "app", {"n": 1})
    put(kv, "app", {"n": 2})
    assert put(kv, "app", {"n": 3}, cas=cas)["version"] == 3


@pytest.mark.parametrize("cas", ["x", "", 1.5, [], {}, None, "9" * 5000])
def test_a_cas_that_is_no_number_is_refused(kv: MountedEngine, cas: Any) -> None:
    assert error(kv, Op.WRITE, "data/app", {"data": {}, "options": {"cas": cas}}) == [
        "error parsing check-and-set parameter"
    ]


@pytest.mark.parametrize("where", ["config", "metadata/app"])
@pytest.mark.parametrize("op", [Op.WRITE, Op.PATCH])
def test_cas_required_on_the_mount_or_the_secret_refuses_writes_without_cas(
    kv: MountedEngine, op: Op, where: str
) -> None:
    put(kv, "app", {"n": 1})
    kv.call(Op.WRITE, where, {"cas_required": True})
    assert error(kv, op, "data/app", {"data": {"n": 2}}) == [
        "check-and-set parameter required for this call"
    ]
    reply = kv.call(op, "data/app", {"data": {"n": 2}, "options": {"cas": 1}})
    assert reply is not None
    assert (reply.data or {})["version"] == 2


def test_a_soft_deleted_version_still_counts_for_cas(kv: MountedEngine) -> None:
    put(kv, "app", {"n": 1})
    kv.call(Op.DELETE, "data/app")
    assert error(kv, Op.WRITE, "data/app", {"data": {}, "options": {"cas": 0}})
    assert put(kv, "app", {"n": 2}, cas=1)["version"] == 2


def test_deleting_data_hides_the_current_version_and_says_when(kv: MountedEngine) -> None:
    put(kv, "app", {"n": 1})
    written = put(kv, "app", {"n": 2})
    kv.now_ns += 5
    assert kv.call(Op.DELETE, "data/app") is None
    assert get(kv, "app") == Reply(
        status=404,
        data={"data": None, "metadata": {**written, "deletion_time": rfc3339(kv.now_ns)}},
    )
    assert (get(kv, "app", 1).data or {})["data"] == {"n": 1}


def test_deleting_twice_keeps_the_first_time(kv: MountedEngine) -> None:
    put(kv, "app", {"n": 1})
    kv.call(Op.DELETE, "data/app")
    first = get(kv, "app")
    kv.now_ns += 1_000
    kv.call(Op.DELETE, "data/app")
    assert get(kv, "app") == first


def test_a_clock_set_back_does_not_undo_a_deletion(kv: MountedEngine) -> None:
    put(kv, "app", {"n": 1})
    kv.call(Op.DELETE, "data/app")
    kv.now_ns -= 60_000_000_000
    assert get(kv, "app").status == 404


def test_deleting_what_is_not_there_is_silent(kv: MountedEngine) -> None:
    assert kv.call(Op.DELETE, "data/none") is None
    kv.call(Op.WRITE, "metadata/bare", {"max_versions": 3})
    assert kv.call(Op.DELETE, "data/bare") is None


def test_versions_go_on_rising_after_a_deletion(kv: MountedEngine) -> None:
    put(kv, "app", {"n": 1})
    kv.call(Op.DELETE, "data/app")
    assert put(kv, "app", {"n": 2})["version"] == 2
    assert get(kv, "app").status is None


def test_data_over_the_limit_is_refused_by_name(kv: MountedEngine) -> None:
    (text,) = error(kv, Op.WRITE, "data/app", {"data": {"a": "x" * MAX_PAYLOAD}})
    assert text == f"data is larger than {MAX_PAYLOAD} bytes"


def test_a_patch_may_not_grow_a_secret_over_the_limit(kv: MountedEngine) -> None:
    put(kv, "app", {"a": "x" * (MAX_PAYLOAD - 100)})
    (text,) = error(kv, Op.PATCH, "data/app", {"data": {"b": "y" * 100}})
    assert text == f"data is larger than {MAX_PAYLOAD} bytes"


def test_exists_tells_update_from_create(kv: MountedEngine) -> None:
    put(kv, "app", {"n": 1})
    assert [kv.exists(f"data/{path}") for path in ("app", "none", "app/x", "x" * 9000)] == [
        True,
        False,
        False,
        False,
    ]
    assert kv.exists("metadata/app")


def test_an_error_about_data_shows_no_value(kv: MountedEngine) -> None:
    put(kv, "app", {"password": "hunter2"})
    _, key = sorted(key for key in kv.storage.rows if key.startswith(b"M"))
    kv.storage.rows[key] = b'{"password": "hunter2'
    with pytest.raises(Exception, match="no JSON") as caught:
        get(kv, "app")
    assert "hunter2" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__
