"""metadata/ of one secret, and config."""

from typing import Any

import pytest

from custody.base.clock import rfc3339
from custody.base.errors import BadRequest, MultiError, NotFound
from custody.plugin.request import Reply
from custody.plugin.route import Op
from custody.testing.engine import MountedEngine


def read(kv: MountedEngine, path: str = "metadata/app") -> Any:
    reply = kv.call(Op.READ, path)
    assert reply is not None
    assert reply.status is None
    return reply.data


def error(kv: MountedEngine, body: dict[str, Any], op: Op = Op.WRITE) -> list[str]:
    with pytest.raises(BadRequest) as caught:
        kv.call(op, "metadata/app", body)
    return list(caught.value.listed)


def test_metadata_of_a_written_secret_holds_all_its_fields(kv: MountedEngine) -> None:
    first = kv.now_ns
    kv.call(Op.WRITE, "data/app", {"data": {"n": 1}})
    kv.now_ns += 7
    kv.call(Op.WRITE, "data/app", {"data": {"n": 2}})
    kv.call(Op.WRITE, "destroy/app", {"versions": [1]})
    assert read(kv) == {
        "cas_required": False,
        "created_time": rfc3339(first),
        "current_metadata_version": 0,
        "current_version": 2,
        "custom_metadata": None,
        "delete_version_after": "0s",
        "max_versions": 0,
        "metadata_cas_required": False,
        "oldest_version": 0,
        "updated_time": rfc3339(kv.now_ns),
        "versions": {
            "1": {"created_time": rfc3339(first), "deletion_time": "", "destroyed": True},
            "2": {"created_time": rfc3339(kv.now_ns), "deletion_time": "", "destroyed": False},
        },
    }


@pytest.mark.parametrize("op", [Op.READ, Op.PATCH])
def test_metadata_of_no_secret_is_not_found(kv: MountedEngine, op: Op) -> None:
    with pytest.raises(NotFound) as caught:
        kv.call(op, "metadata/none", {"max_versions": 1})
    assert list(caught.value.listed) == []


def test_metadata_may_be_written_before_data(kv: MountedEngine) -> None:
    body = {"max_versions": 5, "cas_required": True, "delete_version_after": "3h25m19s"}
    assert kv.call(Op.WRITE, "metadata/app", {**body, "custom_metadata": {"k": "v"}}) is None
    shown = read(kv)
    assert shown["current_version"] == 0
    assert shown["oldest_version"] == 0
    assert shown["versions"] == {}
    assert shown["current_metadata_version"] == 1
    assert shown["custom_metadata"] == {"k": "v"}
    assert {name: shown[name] for name in body} == body
    with pytest.raises(NotFound):
        kv.call(Op.READ, "data/app")
    reply = kv.call(Op.WRITE, "data/app", {"data": {}, "options": {"cas": 0}})
    assert reply is not None
    assert (reply.data or {})["version"] == 1
    assert (reply.data or {})["custom_metadata"] == {"k": "v"}


@pytest.mark.parametrize("op", [Op.WRITE, Op.PATCH])
def test_a_write_that_names_no_setting_does_nothing(kv: MountedEngine, op: Op) -> None:
    rows = dict(kv.storage.rows)
    assert kv.call(op, "metadata/app", {"metadata_cas": 3}) is None
    assert kv.storage.rows == rows


def test_a_write_changes_only_the_settings_that_it_names(kv: MountedEngine) -> None:
    kv.call(Op.WRITE, "metadata/app", {"max_versions": 5, "custom_metadata": {"a": "1"}})
    kv.now_ns += 9
    kv.call(Op.WRITE, "metadata/app", {"cas_required": True})
    shown = read(kv)
    assert (shown["max_versions"], shown["cas_required"]) == (5, True)
    assert shown["custom_metadata"] == {"a": "1"}
    assert shown["updated_time"] == rfc3339(kv.now_ns)


def test_custom_metadata_is_replaced_by_a_write_and_merged_by_a_patch(kv: MountedEngine) -> None:
    kv.call(Op.WRITE, "metadata/app", {"custom_metadata": {"a": "1", "b": "2"}})
    kv.call(Op.PATCH, "metadata/app", {"custom_metadata": {"a": None, "c": "3"}})
    assert read(kv)["custom_metadata"] == {"b": "2", "c": "3"}
    kv.call(Op.WRITE, "metadata/app", {"custom_metadata": {"d": "4"}})
    assert read(kv)["custom_metadata"] == {"d": "4"}
    kv.call(Op.PATCH, "metadata/app", {"custom_metadata": None})
    assert read(kv)["custom_metadata"] is None


def test_a_patch_of_null_unsets_a_setting(kv: MountedEngine) -> None:
    kv.call(Op.WRITE, "metadata/app", {"max_versions": 5, "cas_required": True})
    kv.call(Op.PATCH, "metadata/app", {"max_versions": None})
    assert (read(kv)["max_versions"], read(kv)["cas_required"]) == (0, True)


def test_custom_metadata_values_are_spelled_out(kv: MountedEngine) -> None:
    kv.call(Op.WRITE, "metadata/app", {"custom_metadata": {"n": 5, "yes": True, "f": 1.5}})
    assert read(kv)["custom_metadata"] == {"n": "5", "yes": "1", "f": "1.5"}


@pytest.mark.parametrize("op", [Op.WRITE, Op.PATCH])
@pytest.mark.parametrize(
    ("custom", "text"),
    [
        (
            {str(number): "v" for number in range(65)},
            "payload must contain at most 64 keys, provided 65",
        ),
        ({"": "v"}, 'length of key "" is 0 but must be 0 < len(key) <= 128'),
        ({"é" * 65: "v"}, f'length of key "{"é" * 65}" is 130 but must be 0 < len(key) <= 128'),
        ({"k": ""}, 'length of value for key "k" is 0 but must be 0 < len(value) <= 512'),
        (
            {"k": "x" * 513},
            'length of value for key "k" is 513 but must be 0 < len(value) <= 512',
        ),
        ({"k\n": "v"}, 'key "k\\n" contains unprintable characters'),
        ({"k": "v\x00"}, 'value for key "k" contains unprintable characters'),
    ],
)
def test_custom_metadata_over_a_limit_is_refused_with_the_counts(
    kv: MountedEngine, op: Op, custom: dict[str, str], text: str
) -> None:
    kv.call(Op.WRITE, "data/app", {"data": {}})
    assert error(kv, {"custom_metadata": custom}, op) == [
        f"1 error occurred:\n\t* custom_metadata validation failed: {text}\n\n"
    ]


def test_every_broken_limit_of_custom_metadata_is_named(kv: MountedEngine) -> None:
    with pytest.raises(MultiError) as caught:
        kv.call(Op.WRITE, "metadata/app", {"custom_metadata": {"": "", "k": "x" * 600}})
    assert len(caught.value.messages) == 3
    assert caught.value.listed[0].startswith("3 errors occurred:\n")


def test_patches_cannot_add_up_to_too_many_keys(kv: MountedEngine) -> None:
    kv.call(Op.WRITE, "metadata/app", {"custom_metadata": {str(n): "v" for n in range(64)}})
    assert "provided 65" in error(kv, {"custom_metadata": {"64": "v"}}, Op.PATCH)[0]
    kv.call(Op.PATCH, "metadata/app", {"custom_metadata": {"64": "v", "0": None}})


@pytest.mark.parametrize("value", [[], {"a": "b"}])
def test_custom_metadata_must_be_text(kv: MountedEngine, value: Any) -> None:
    assert error(kv, {"custom_metadata": {"k": value}}) == [
        'custom_metadata validation failed: value for key "k" is not text'
    ]


def test_a_negative_time_to_live_of_a_secret_is_refused(kv: MountedEngine) -> None:
    (text,) = error(kv, {"delete_version_after": "-1s"})
    assert "cannot provide negative value '-1'" in text
    (text,) = error(kv, {"delete_version_after": "abc"})
    assert 'time: invalid duration "abc"' in text


def test_metadata_cas_must_match_the_metadata_version(kv: MountedEngine) -> None:
    assert error(kv, {"max_versions": 1, "metadata_cas": 1}) == [
        "metadata_cas must be 0 when creating new metadata"
    ]
    kv.call(Op.WRITE, "metadata/app", {"max_versions": 1, "metadata_cas": 0})
    for op in (Op.WRITE, Op.PATCH):
        assert error(kv, {"max_versions": 2, "metadata_cas": 0}, op) == [
            "metadata check-and-set parameter does not match the current version"
        ]
    kv.call(Op.PATCH, "metadata/app", {"max_versions": 2, "metadata_cas": 1})
    assert read(kv)["current_metadata_version"] == 2


@pytest.mark.parametrize("where", ["config", "metadata/app"])
@pytest.mark.parametrize("op", [Op.WRITE, Op.PATCH])
def test_metadata_cas_may_be_required(kv: MountedEngine, op: Op, where: str) -> None:
    kv.call(Op.WRITE, "metadata/app", {"max_versions": 1})
    kv.call(Op.WRITE, where, {"metadata_cas_required": True})
    version = read(kv)["current_metadata_version"]
    assert error(kv, {"max_versions": 2}, op) == [
        "metadata check-and-set parameter required for this call"
    ]
    kv.call(op, "metadata/app", {"max_versions": 2, "metadata_cas": version})
    assert read(kv)["max_versions"] == 2


@pytest.mark.parametrize("op", [Op.WRITE, Op.PATCH])
def test_unsetting_what_the_mount_mandates_warns(kv: MountedEngine, op: Op) -> None:
    kv.call(Op.WRITE, "data/app", {"data": {}})
    kv.call(Op.WRITE, "config", {"cas_required": True})
    assert kv.call(op, "metadata/app", {"cas_required": False}) == Reply(status=200)
    (warning,) = kv.last.warnings
    assert warning == (
        '"cas_required" set to false, but is mandated by backend config. '
        "This value will be ignored."
    )


def test_deleting_metadata_erases_the_secret_and_starts_its_name_anew(kv: MountedEngine) -> None:
    empty = dict(kv.storage.rows)
    for _ in range(3):
        kv.call(Op.WRITE, "data/a/b/c/app", {"data": {"n": 1}})
    kv.call(Op.WRITE, "destroy/a/b/c/app", {"versions": [2]})
    assert kv.call(Op.DELETE, "metadata/a/b/c/app") is None
    assert kv.storage.rows == empty
    assert kv.call(Op.DELETE, "metadata/a/b/c/app") is None
    reply = kv.call(Op.WRITE, "data/a/b/c/app", {"data": {}, "options": {"cas": 0}})
    assert reply is not None
    assert (reply.data or {})["version"] == 1


def test_a_name_used_again_is_a_new_object(kv: MountedEngine) -> None:
    kv.call(Op.WRITE, "data/app", {"data": {}})
    before = {key for key in kv.storage.rows if key[:1] in b"MV"}
    kv.call(Op.DELETE, "metadata/app")
    kv.call(Op.WRITE, "data/app", {"data": {}})
    after = {key for key in kv.storage.rows if key[:1] in b"MV"}
    assert before.isdisjoint(after)


def test_config_starts_with_defaults_and_changes_what_is_named(kv: MountedEngine) -> None:
    default = {
        "cas_required": False,
        "delete_version_after": "0s",
        "max_versions": 0,
        "metadata_cas_required": False,
    }
    assert read(kv, "config") == default
    assert kv.call(Op.WRITE, "config", {"max_versions": "7"}) is None
    assert kv.call(Op.WRITE, "config", {"delete_version_after": "3h25m19s"}) is None
    assert kv.call(Op.WRITE, "config", {}) is None
    assert read(kv, "config") == {
        **default,
        "max_versions": 7,
        "delete_version_after": "3h25m19s",
    }
    kv.call(Op.WRITE, "config", {"delete_version_after": "-30m", "max_versions": 0})
    assert read(kv, "config") == {**default, "delete_version_after": "-1s"}
    kv.call(Op.WRITE, "config", {"delete_version_after": 0, "cas_required": True})
    assert read(kv, "config") == {**default, "cas_required": True}
