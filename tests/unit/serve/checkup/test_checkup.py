"""What a check-up finds wrong with a machine, and the fix that it names."""

import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
import pytest
from tests.certificates import BEGAN, self_signed

from custody.base.clock import NANOSECOND
from custody.base.diagnosis import Diagnosis, State
from custody.serve.checkup import examine, files, listening, machine, sealing
from custody.serve.settings import (
    TLS,
    AuditDevice,
    Listener,
    SealStanza,
    Settings,
    SocketFile,
)
from custody.testing.server import HandClock

DAY = 24 * 3600
NOBODY = 65534
BEGAN_S = int(BEGAN.timestamp())


@pytest.fixture
def healthy(tmp_path: Path) -> Settings:
    """Settings with which nothing is wrong, their files in `tmp_path`."""
    data = tmp_path / "data"
    data.mkdir(mode=0o700)
    self_signed(tmp_path, names=("custody.example.com",))
    (tmp_path / "key.pem").chmod(0o600)
    tls = TLS(str(tmp_path / "cert.pem"), str(tmp_path / "key.pem"))
    return Settings(
        data_path=str(data),
        listeners=[Listener("0.0.0.0", 8200, tls=tls)],  # noqa: S104 nothing listens
        audit=[AuditDevice("file", "a", options={"file_path": str(tmp_path / "audit.log")})],
        api_addr="https://custody.example.com:8200",
        low_water=1,
    )


def found(diagnoses: Iterator[Diagnosis], state: State) -> list[str]:
    return [f"{one.text} → {one.fix}" for one in diagnoses if one.state is state]


def certificates(settings: Settings, now: int = BEGAN_S + DAY) -> Iterator[Diagnosis]:
    return listening.certificates(settings, now * NANOSECOND)


def test_where_nothing_is_wrong_every_subject_is_named_and_nothing_fails(
    healthy: Settings,
) -> None:
    diagnoses = list(examine(healthy, HandClock((BEGAN_S + DAY) * NANOSECOND)))
    assert not [one for one in diagnoses if one.state is State.FAIL]
    assert {one.subject for one in diagnoses} >= {
        "data directory", "audit devices", "addresses", "certificates", "open files", "memory",
    }  # fmt: skip
    assert all(bool(one.fix) == (one.state is not State.OK) for one in diagnoses)


def test_a_data_directory_that_others_may_enter_is_wrong(healthy: Settings) -> None:
    Path(healthy.data_path).chmod(0o755)
    (text,) = found(files.data_directory(healthy), State.FAIL)
    assert "open to other users (0755)" in text
    assert f"chmod 0700 {healthy.data_path}" in text


def test_a_data_directory_that_is_a_file_is_wrong(healthy: Settings, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    settings = msgspec.structs.replace(healthy, data_path=str(tmp_path / "file"))
    assert "is no directory" in found(files.data_directory(settings), State.FAIL)[0]


def test_a_data_directory_that_is_still_to_be_made_is_well(
    healthy: Settings, tmp_path: Path
) -> None:
    settings = msgspec.structs.replace(healthy, data_path=str(tmp_path / "later" / "data"))
    assert found(files.data_directory(settings), State.FAIL) == []
    assert "is made at the first start" in found(files.data_directory(settings), State.OK)[0]


@contextmanager
def hidden(directory: Path) -> Iterator[None]:
    """Makes it one that this user may not search: root becomes another user for that."""
    directory.chmod(0)
    if os.geteuid() == 0:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(os.getuid())
        directory.chmod(0o700)


def test_what_this_user_may_not_see_is_told_and_by_whom_to_ask(
    healthy: Settings, tmp_path: Path
) -> None:
    inner = tmp_path / "inner"
    inner.mkdir()
    settings = msgspec.structs.replace(
        healthy,
        data_path=str(inner / "data"),
        audit=[AuditDevice("file", "a", options={"file_path": str(inner / "audit.log")})],
    )
    with TemporaryDirectory(dir="/dev/shm") as elsewhere:
        Path(elsewhere).chmod(0o755)  # others may search it
        key = Path(elsewhere) / "key"
        key.write_text("ab" * 32)
        key.chmod(0o600)
        with hidden(inner):
            diagnoses = list(examine(sealed_by(settings, f"file://{key}"), HandClock()))
    texts = {one.subject: f"{one.text} → {one.fix}" for one in diagnoses if "hidden" in one.text}
    assert set(texts) == {"data directory", "audit devices", "seal"}
    assert all(text.endswith("run this as the user who runs the server") for text in texts.values())


def test_a_disk_below_the_low_water_mark_is_wrong(healthy: Settings) -> None:
    full = msgspec.structs.replace(healthy, low_water=1 << 62)
    assert all("507" in text for text in found(files.data_directory(full), State.FAIL))
    free = os.statvfs(healthy.data_path)
    near = msgspec.structs.replace(healthy, low_water=free.f_bavail * free.f_frsize // 2)
    assert "make room" in found(files.data_directory(near), State.WARN)[0]


def test_missing_or_open_audit_files_are_named(healthy: Settings, tmp_path: Path) -> None:
    none = msgspec.structs.replace(healthy, audit=[])
    assert "declares none" in found(files.audit_devices(none), State.WARN)[0]
    (tmp_path / "audit.log").touch()
    (tmp_path / "audit.log").chmod(0o644)
    assert "chmod 0600" in found(files.audit_devices(healthy), State.WARN)[0]
    stdout = [AuditDevice("file", "a", options={"file_path": "stdout"})]
    assert found(files.audit_devices(msgspec.structs.replace(healthy, audit=stdout)),
                 State.FAIL) == []  # fmt: skip


@pytest.mark.parametrize(
    ("api_addr", "state", "text"),
    [
        ("", State.WARN, "api_addr is not set"),
        ("custody:8200", State.FAIL, "is no URL"),
        ("https://custody.example.com:x", State.FAIL, "is no URL"),
        ("http://custody.example.com:8200", State.WARN, "says http, but every listener"),
        ("https://custody.example.com", State.WARN, "names port 443"),
        ("https://custody.example.com:8200", State.OK, "leads to a listener"),
    ],
)
def test_an_api_addr_that_leads_elsewhere_is_named(
    healthy: Settings, api_addr: str, state: State, text: str
) -> None:
    settings = msgspec.structs.replace(healthy, api_addr=api_addr)
    assert text in found(listening.addresses(settings), state)[0]


def test_the_end_of_a_certificate_is_told_before_it_comes(
    healthy: Settings, tmp_path: Path
) -> None:
    self_signed(tmp_path, names=("custody.example.com",), until=BEGAN + timedelta(days=100))
    (tmp_path / "key.pem").chmod(0o600)
    assert found(certificates(healthy, BEGAN_S + 10 * DAY), State.WARN) == []
    assert "ends in 10 days" in found(certificates(healthy, BEGAN_S + 90 * DAY), State.WARN)[0]
    assert "ended 10 days ago" in found(certificates(healthy, BEGAN_S + 110 * DAY), State.FAIL)[0]
    assert "not valid yet" in found(certificates(healthy, BEGAN_S - DAY), State.FAIL)[0]


@pytest.mark.parametrize(
    ("names", "host", "covered"),
    [
        (("custody.example.com",), "CUSTODY.example.com", True),
        (("*.example.com",), "custody.example.com", True),
        (("*.example.com",), "a.custody.example.com", False),
        (("*.example.com",), "example.com", False),
        (("other.example.com",), "custody.example.com", False),
        ((), "127.0.0.1", True),
        ((), "127.0.0.2", False),
    ],
)
def test_a_certificate_for_another_name_than_the_servers_is_wrong(
    healthy: Settings, tmp_path: Path, names: tuple[str, ...], host: str, *, covered: bool
) -> None:
    self_signed(tmp_path, names=names)
    settings = msgspec.structs.replace(healthy, api_addr=f"https://{host}:8200")
    texts = found(certificates(settings), State.FAIL)
    assert [("is not for" in text) for text in texts] == [True] * (not covered)


def test_a_key_that_others_read_or_that_is_anothers_is_named(
    healthy: Settings, tmp_path: Path
) -> None:
    (tmp_path / "key.pem").chmod(0o644)
    assert "open to other users" in found(certificates(healthy), State.WARN)[0]
    (tmp_path / "key.pem").write_text("broken")
    assert "not valid PEM" in found(certificates(healthy), State.FAIL)[0]


def test_plain_http_beyond_this_machine_is_named(healthy: Settings) -> None:
    for host, state in (("10.0.0.1", State.WARN), ("127.0.0.1", State.OK)):
        settings = msgspec.structs.replace(healthy, listeners=[Listener(host, 8200)])
        assert "plain HTTP" in found(certificates(settings), state)[0]


def test_few_open_files_are_named(healthy: Settings) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    many = msgspec.structs.replace(healthy, listeners=healthy.listeners * (hard // 16_896 + 1))
    assert "LimitNOFILE" in found(machine.open_files(many), State.WARN)[0]
    assert soft <= hard


def test_clock_and_memory_have_something_to_say() -> None:
    assert [one.subject for one in machine.clock_is_kept()] == ["clock"]
    assert {one.subject for one in machine.memory()} == {"memory"}


def sealed_by(healthy: Settings, key: str) -> Settings:
    """The same under a static seal."""
    seal = SealStanza("static", options={"current_key_id": "one", "current_key": key})
    return msgspec.structs.replace(healthy, seals=[seal])


def test_a_seals_key_that_others_may_read_is_wrong(healthy: Settings, tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text("ab" * 32)
    key.chmod(0o640)
    (text,) = found(sealing.secrets(sealed_by(healthy, f"file://{key}")), State.FAIL)
    assert text == f"{key} is open to other users (0640) → chmod 0600 {key}"
    key.chmod(0o400)
    diagnoses = list(sealing.secrets(sealed_by(healthy, f"file://{key}")))
    assert found(iter(diagnoses), State.OK) == [f"{key} is its owner's alone → "]
    key.unlink()
    (text,) = found(sealing.secrets(sealed_by(healthy, f"file://{key}")), State.FAIL)
    assert text.startswith(f"{key}: No such file or directory → put the key there")


def test_a_seals_key_beside_the_data_is_to_be_looked_at(healthy: Settings, tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text("ab" * 32)
    key.chmod(0o600)
    (text,) = found(sealing.secrets(sealed_by(healthy, f"file://{key}")), State.WARN)
    assert "on the file system of the data" in text
    with TemporaryDirectory(dir="/dev/shm") as other_file_system:
        key = Path(other_file_system) / "key"
        key.write_text("ab" * 32)
        key.chmod(0o600)
        assert not found(sealing.secrets(sealed_by(healthy, f"file://{key}")), State.WARN)


def test_a_seals_key_in_the_configuration_is_named_and_never_shown(healthy: Settings) -> None:
    diagnoses = list(sealing.secrets(sealed_by(healthy, "ab" * 32)))
    (text,) = found(iter(diagnoses), State.WARN)
    assert "current_key of seal static stands in the configuration or in a variable" in text
    assert 'write current_key = "file:///run/custody/key"' in text
    assert "abab" not in text
    assert list(sealing.secrets(healthy)) == []


def on(healthy: Settings, host: str, api_addr: str, *, tls: bool = False) -> list[Diagnosis]:
    """What is said of a single listener and the address that clients are told."""
    listener = Listener(host, 8200, tls=healthy.listeners[0].tls if tls else None)
    settings = msgspec.structs.replace(healthy, listeners=[listener], api_addr=api_addr)
    both = listening.addresses(settings), listening.certificates(settings, BEGAN_S * NANOSECOND)
    return [one for diagnoses in both for one in diagnoses if one.state is not State.OK]


def test_what_is_advised_for_plain_http_is_well_where_it_was_done(healthy: Settings) -> None:
    (advice,) = on(healthy, "10.0.0.1", "http://10.0.0.1:8200")
    assert "let a proxy on this machine speak TLS" in advice.fix
    assert on(healthy, "127.0.0.1", "https://custody.example.com") == []
    assert on(healthy, "127.0.0.1", "") == []
    assert on(healthy, "127.0.0.1", "http://127.0.0.1:8200") == []
    (proxied,) = on(healthy, "127.0.0.1", "http://custody.example.com")
    assert "plain HTTP from another machine to the proxy here" in proxied.text


def test_an_api_addr_is_advised_as_the_listener_speaks(healthy: Settings) -> None:
    assert "as in http://custody.example.com:8200" in on(healthy, "10.0.0.1", "")[0].fix
    assert "as in https://custody.example.com:8200" in on(healthy, "10.0.0.1", "", tls=True)[0].fix


def test_a_unix_socket_is_for_this_machine_and_not_for_each_of_its_users(
    healthy: Settings,
) -> None:
    def on(mode: int) -> Settings:
        file = SocketFile("/run/s", mode)
        return msgspec.structs.replace(healthy, listeners=[Listener("", 0, file=file)], api_addr="")

    assert "on this machine only" in found(certificates(on(0o660)), State.OK)[0]
    assert "any user of this machine" in found(certificates(on(0o666)), State.WARN)[0]
    assert "only this machine" in found(listening.addresses(on(0o660)), State.OK)[0]
