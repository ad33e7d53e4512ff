"""The stored table of devices: what may be enabled, disabled and declared."""

import pytest

from custody.audit import table
from custody.audit.kinds import KINDS
from custody.audit.table import Declared, DeviceConfig
from custody.base.errors import BadRequest
from custody.testing.rows import MemoryRows

KEY = b"k" * 32


@pytest.fixture
def txn() -> MemoryRows:
    rows = MemoryRows()
    table.seed(rows)
    return rows


def device(path: str = "/var/log/audit.log", **changes: object) -> DeviceConfig:
    options = {"file_path": path} if path else {}
    return DeviceConfig(type="file", key=KEY, options=options, **changes)  # type: ignore[arg-type]  # test shorthand


def test_a_missing_row_is_told_from_an_empty_table(txn: MemoryRows) -> None:
    assert table.read(txn).devices == {}
    assert table.read(txn) is not table.EMPTY
    assert table.read(MemoryRows()) is table.EMPTY


def test_reading_twice_gives_the_same_object(txn: MemoryRows) -> None:
    table.enable(txn, "file", device())
    assert table.read(txn) is table.read(txn)
    assert table.read(txn).devices == {"file/": device()}


@pytest.mark.parametrize("path", ["file", "file/", "/file/", "file/sub", "file/sub/"])
def test_a_path_is_enabled_once(txn: MemoryRows, path: str) -> None:
    table.enable(txn, "file", device())
    with pytest.raises(BadRequest, match=r"^path already in use$"):
        table.enable(txn, path, device("/other"))


def test_a_path_that_only_begins_alike_is_another(txn: MemoryRows) -> None:
    table.enable(txn, "file", device())
    table.enable(txn, "file2", device("/other"))
    assert list(table.read(txn).devices) == ["file/", "file2/"]


def test_an_empty_path_is_refused(txn: MemoryRows) -> None:
    with pytest.raises(BadRequest, match="missing path"):
        table.enable(txn, "/", device())


def test_disabling_says_whether_the_device_was_there(txn: MemoryRows) -> None:
    table.enable(txn, "file", device())
    assert table.disable(txn, "file")
    assert not table.disable(txn, "file")
    assert table.read(txn).devices == {}
    assert table.read(txn) is not table.EMPTY


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (DeviceConfig(type="bogus", key=KEY), 'unknown backend type: "bogus"'),
        (device(""), "file_path is required"),
        (
            DeviceConfig(type="file", key=KEY, options={"file_path": "/x", "mode": "0755"}),
            'mode: "0755" is not a mode of a file that nobody executes',
        ),
        (
            DeviceConfig(type="file", key=KEY, options={"file_path": "/x", "mode": "rw"}),
            'mode: "rw" is not an octal number',
        ),
        (
            DeviceConfig(type="file", key=KEY, options={"file_path": "/x", "fsync": "maybe"}),
            'fsync: "maybe" is not none, interval or always',
        ),
        (
            DeviceConfig(type="file", key=KEY, options={"file_path": "/x", "log_raw": "maybe"}),
            'log_raw: invalid value "maybe"',
        ),
        (
            DeviceConfig(type="file", key=KEY, options={"file_path": "/x", "format": "jsonx"}),
            'unknown format type "jsonx"',
        ),
        (
            DeviceConfig(type="file", key=KEY, options={"file_path": "/x", "prefix": "a"}),
            "audit log prefixing is not allowed",
        ),
    ],
)
def test_options_that_cannot_work_are_refused(config: DeviceConfig, message: str) -> None:
    with pytest.raises(BadRequest) as caught:
        table.check(KINDS, config)
    assert caught.value.messages == (message,)


def test_declared_devices_come_change_and_go_with_the_configuration(txn: MemoryRows) -> None:
    table.enable(txn, "api", device("/api.log"))
    first = {"main": Declared(type="file", options={"file_path": "/main.log"})}
    table.sync_declared(txn, first, {"main": KEY}, 5)
    made = table.read(txn).devices["main/"]
    assert (made.declared, made.key, made.created_ns) == (True, KEY, 5)
    with pytest.raises(BadRequest, match="declares"):
        table.disable(txn, "main")

    changed = {"main": Declared(type="file", options={"file_path": "/else.log"})}
    table.sync_declared(txn, changed, {"main": b"n" * 32}, 9)
    kept = table.read(txn).devices["main/"]
    assert (kept.key, kept.created_ns, kept.options) == (KEY, 5, {"file_path": "/else.log"})

    table.sync_declared(txn, {}, {}, 10)
    assert list(table.read(txn).devices) == ["api/"]


def test_a_sync_without_a_change_writes_nothing(txn: MemoryRows) -> None:
    declared = {"main": Declared(type="file", options={"file_path": "/main.log"})}
    table.sync_declared(txn, declared, {"main": KEY}, 5)
    before = dict(txn.rows)
    table.sync_declared(txn, declared, {"main": b"n" * 32}, 9)
    assert txn.rows == before


def test_a_sync_does_not_make_up_for_a_missing_row() -> None:
    rows = MemoryRows()
    declared = {"main": Declared(type="file", options={"file_path": "/main.log"})}
    assert table.sync_declared(rows, declared, {"main": KEY}, 5) is table.EMPTY
    assert table.read(rows) is table.EMPTY


def test_a_configuration_does_not_print_its_key() -> None:
    assert "kkkk" not in repr(device())
    assert "kkkk" not in repr(table.AuditTable(devices={"a/": device()}))
