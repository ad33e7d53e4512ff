"""delete/, undelete/, destroy/, max_versions and delete_version_after."""

from typing import Any

import pytest

from custody.base.clock import NANOSECOND, rfc3339
from custody.base.errors import BadRequest, NotFound
from custody.engines.kv.v2.records import METADATA_KEY
from custody.engines.kv.v2.schema import MAX_VERSIONS
from custody.plugin.route import Op
from custody.testing.engine import MountedEngine


def write(kv: MountedEngine, times: int = 1) -> None:
    for _ in range(times):
        kv.call(Op.WRITE, "data/app", {"data": {"time": kv.now_ns}})


def status(kv: MountedEngine, version: int = 0) -> int | None:
    reply = kv.call(Op.READ, "data/app", query={"version": str(version)})
    assert reply is not None
    return reply.status


def metadata(kv: MountedEngine) -> Any:
    reply = kv.call(Op.READ, "metadata/app")
    assert reply is not None
    return reply.data


def payloads(kv: MountedEngine) -> list[bytes]:
    """The keys of the rows that hold payloads."""
    return [key for key in sorted(kv.storage.rows) if key[:1] == b"M" and len(key) > METADATA_KEY]


def kept(kv: MountedEngine) -> list[int]:
    rows = [int.from_bytes(key[-8:], "big") for key in payloads(kv)]
    assert [str(number) for number in rows] == list(metadata(kv)["versions"])
    return rows


@pytest.mark.parametrize("path", ["delete/app", "undelete/app", "destroy/app", "destroy/none"])
@pytest.mark.parametrize("body", [{}, {"versions": []}, {"versions": ""}, {"versions": None}])
def test_no_version_number_is_refused(kv: MountedEngine, path: str, body: dict[str, Any]) -> None:
    write(kv)
    with pytest.raises(BadRequest) as caught:
        kv.call(Op.WRITE, path, body)
    assert list(caught.value.listed) == ["No version number provided"]


@pytest.mark.parametrize("versions", [["x"], "1,x", [1.5], [[]], 1.5, {}])
def test_a_version_that_is_no_number_is_refused(kv: MountedEngine, versions: Any) -> None:
    with pytest.raises(BadRequest, match='for field "versions"'):
        kv.call(Op.WRITE, "delete/app", {"versions": versions})


def test_one_number_is_a_list_of_one(kv: MountedEngine) -> None:
    write(kv, 2)
    assert kv.call(Op.WRITE, "delete/app", {"versions": 1}) is None
    assert [status(kv, number) for number in (1, 2)] == [404, None]


@pytest.mark.parametrize("versions", [[1, 3], ["1", "3"], "1,3", [1, 3, 99, -1, 0]])
def test_chosen_versions_are_deleted_and_undeleted(kv: MountedEngine, versions: Any) -> None:
    write(kv, 3)
    assert kv.call(Op.WRITE, "delete/app", {"versions": versions}) is None
    assert [status(kv, number) for number in (1, 2, 3)] == [404, None, 404]
    assert kv.call(Op.WRITE, "undelete/app", {"versions": versions}) is None
    assert [status(kv, number) for number in (1, 2, 3)] == [None, None, None]
    assert metadata(kv)["versions"]["1"]["deletion_time"] == ""


def test_a_destroyed_version_has_no_payload_and_cannot_come_back(kv: MountedEngine) -> None:
    write(kv, 2)
    assert kv.call(Op.WRITE, "destroy/app", {"versions": [1]}) is None
    kv.call(Op.WRITE, "undelete/app", {"versions": [1]})
    kv.call(Op.WRITE, "delete/app", {"versions": [1]})
    reply = kv.call(Op.READ, "data/app", query={"version": "1"})
    assert reply is not None
    assert reply.status == 404
    assert reply.data is not None
    assert reply.data["data"] is None
    assert reply.data["metadata"]["destroyed"] is True
    assert reply.data["metadata"]["deletion_time"] == ""
    assert len(payloads(kv)) == 1
    assert status(kv) is None


@pytest.mark.parametrize("verb", ["delete", "undelete", "destroy"])
def test_secrets_that_are_not_there_are_passed_over_in_silence(
    kv: MountedEngine, verb: str
) -> None:
    rows = dict(kv.storage.rows)
    assert kv.call(Op.WRITE, f"{verb}/none", {"versions": [1]}) is None
    assert kv.storage.rows == rows


def test_ten_versions_are_kept_unless_told_otherwise(kv: MountedEngine) -> None:
    write(kv, 12)
    assert kept(kv) == list(range(3, 13))
    assert metadata(kv)["oldest_version"] == 3
    assert metadata(kv)["current_version"] == 12
    with pytest.raises(NotFound):
        status(kv, 2)


def test_the_oldest_version_is_0_until_the_limit_is_reached(kv: MountedEngine) -> None:
    kv.call(Op.WRITE, "metadata/app", {"max_versions": 3})
    seen = []
    for _ in range(5):
        write(kv)
        seen.append(metadata(kv)["oldest_version"])
    assert seen == [0, 0, 1, 2, 3]


def test_the_secrets_limit_goes_before_the_mounts_and_that_before_the_default(
    kv: MountedEngine,
) -> None:
    kv.call(Op.WRITE, "config", {"max_versions": 4})
    write(kv, 6)
    assert kept(kv) == [3, 4, 5, 6]
    kv.call(Op.WRITE, "metadata/app", {"max_versions": 2})
    assert kept(kv) == [3, 4, 5, 6]
    write(kv)
    assert kept(kv) == [6, 7]
    kv.call(Op.WRITE, "metadata/app", {"max_versions": 0})
    write(kv, 3)
    assert kept(kv) == [7, 8, 9, 10]


def test_a_limit_raised_again_brings_nothing_back(kv: MountedEngine) -> None:
    kv.call(Op.WRITE, "metadata/app", {"max_versions": 1})
    write(kv, 3)
    kv.call(Op.WRITE, "metadata/app", {"max_versions": 5})
    write(kv, 2)
    assert kept(kv) == [3, 4, 5]


@pytest.mark.parametrize("path", ["config", "metadata/app"])
@pytest.mark.parametrize("value", [-1, MAX_VERSIONS + 1])
def test_max_versions_has_a_limit_that_is_named(kv: MountedEngine, path: str, value: int) -> None:
    with pytest.raises(BadRequest, match=f"max_versions must be from 0 to {MAX_VERSIONS}"):
        kv.call(Op.WRITE, path, {"max_versions": value})


def test_the_greatest_history_can_be_cut_and_erased_in_one_transaction(kv: MountedEngine) -> None:
    kv.call(Op.WRITE, "metadata/app", {"max_versions": MAX_VERSIONS})
    write(kv, MAX_VERSIONS + 1)
    assert kept(kv) == list(range(2, MAX_VERSIONS + 2))
    kv.call(Op.WRITE, "metadata/app", {"max_versions": 1})
    write(kv)
    assert kept(kv) == [MAX_VERSIONS + 2]


def test_a_version_expires_after_delete_version_after(kv: MountedEngine) -> None:
    kv.call(Op.WRITE, "metadata/app", {"delete_version_after": "90s"})
    start = kv.now_ns
    write(kv)
    reply = kv.call(Op.READ, "data/app")
    assert reply is not None
    assert reply.data is not None
    assert reply.status is None
    assert reply.data["metadata"]["deletion_time"] == rfc3339(start + 90 * NANOSECOND)
    kv.now_ns = start + 90 * NANOSECOND - 1
    assert status(kv) is None
    kv.now_ns += 1
    assert status(kv) == 404
    assert kv.call(Op.DELETE, "data/app") is None
    assert metadata(kv)["versions"]["1"]["deletion_time"] == rfc3339(start + 90 * NANOSECOND)


@pytest.mark.parametrize(
    ("mount", "secret", "seconds"),
    [
        ("1h", 0, 3600),
        (0, "1h", 3600),
        ("1h", "2h", 3600),
        ("2h", "1h", 3600),
        (0, 0, 0),
        ("-1s", "1h", 0),
        (-5, 0, 0),
    ],
)
def test_the_secrets_time_to_live_is_capped_by_the_mounts(
    kv: MountedEngine, mount: str | int, secret: str | int, seconds: int
) -> None:
    kv.call(Op.WRITE, "config", {"delete_version_after": mount})
    kv.call(Op.WRITE, "metadata/app", {"delete_version_after": secret})
    write(kv)
    expected = rfc3339(kv.now_ns + seconds * NANOSECOND) if seconds else ""
    assert metadata(kv)["versions"]["1"]["deletion_time"] == expected


def test_undeleting_an_expired_version_starts_its_time_anew(kv: MountedEngine) -> None:
    kv.call(Op.WRITE, "metadata/app", {"delete_version_after": "60s"})
    write(kv)
    kv.now_ns += 61 * NANOSECOND
    assert status(kv) == 404
    kv.call(Op.WRITE, "undelete/app", {"versions": [1]})
    assert status(kv) is None
    kv.now_ns += 60 * NANOSECOND
    assert status(kv) == 404
