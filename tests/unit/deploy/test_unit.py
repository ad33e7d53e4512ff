"""The service of systemd: systemd finds no fault with it, and what must be closed is closed."""

import subprocess
import sys
from pathlib import Path

import pytest

from custody.serve.config import load

DEPLOY = Path(__file__).parents[3] / "deploy"
UNIT = DEPLOY / "custody.service"
INSTALLED = "/opt/custody/bin/custody"
MOST_EXPOSED = "20"  # of 100, as systemd-analyze counts; an ordinary service has 96
MUST = {
    "CapabilityBoundingSet": "",
    "LimitCORE": "0",
    "MemoryDenyWriteExecute": "true",
    "MemorySwapMax": "0",
    "NoNewPrivileges": "true",
    "ProtectHome": "true",
    "ProtectSystem": "strict",
    "Type": "notify",
    "UMask": "0077",
    "User": "custody",
}


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    """The unit, for the program of this environment: systemd looks whether it is there."""
    path = tmp_path / UNIT.name
    program = str(Path(sys.executable).with_name("custody"))
    path.write_text(UNIT.read_text().replace(INSTALLED, program))
    return path


def analyze(*words: str | Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(  # noqa: S603 our own unit
        ["/usr/bin/systemd-analyze", *words], capture_output=True, text=True, check=False
    )


def settings() -> dict[str, str]:
    """The last value of each key."""
    lines = [line.partition("=") for line in UNIT.read_text().splitlines() if "=" in line]
    return {key: value for key, _, value in lines if not key.startswith("#")}


def test_systemd_finds_no_fault(unit: Path) -> None:
    done = analyze("verify", "--man=no", unit)
    assert (done.returncode, done.stderr) == (0, "")


def test_little_is_exposed(unit: Path) -> None:
    done = analyze("security", "--offline=true", f"--threshold={MOST_EXPOSED}", "--no-pager", unit)
    assert done.returncode == 0, done.stdout


def test_what_must_be_closed_is_closed() -> None:
    found = settings()
    assert {key: found.get(key) for key in MUST} == MUST


def test_what_the_server_writes_is_where_the_unit_lets_it(tmp_path: Path) -> None:
    text = (DEPLOY / "custody.hcl").read_text()
    for name in ("cert", "key"):
        (tmp_path / f"{name}.pem").touch()
        text = text.replace(f"/etc/custody/tls/{name}.pem", str(tmp_path / f"{name}.pem"))
    config = tmp_path / "custody.hcl"
    config.write_text(text)
    read, warnings = load([f"-config={config}"], {})
    assert warnings == []
    assert read.data_path.startswith(f"/var/lib/{settings()['StateDirectory']}/")
    assert read.audit[0].options["file_path"].startswith(f"/var/log/{settings()['LogsDirectory']}/")


def test_what_the_server_asks_of_the_kernel_is_let_through() -> None:
    """`@privileged` holds chown, and `@resources` the limits: what is said last counts."""
    filters = [
        line.partition("=")[2].split()
        for line in UNIT.read_text().splitlines()
        if line.startswith("SystemCallFilter=")
    ]
    refusing = max(place for place, names in enumerate(filters) if names[0].startswith("~"))
    allowed = {name for names in filters[refusing + 1 :] for name in names}
    assert allowed == {"chown", "fchownat", "prlimit64", "setrlimit", "sched_setaffinity",
                       "sched_setscheduler"}  # fmt: skip


def test_a_port_below_1024_is_not_promised_to_capabilities_in_users_of_its_own() -> None:
    """With PrivateUsers=true binding port 443 is refused, whatever capabilities the unit has."""
    assert settings()["PrivateUsers"] == "true"
    guide = (DEPLOY.parent / "docs" / "how-to" / "service.md").read_text()
    for text in (UNIT.read_text(), guide):
        place = text.index("CAP_NET_BIND_SERVICE")
        assert "PrivateUsers=false" in text[place : place + 200]


def test_the_guide_makes_directories_with_the_modes_that_the_unit_names() -> None:
    """With the group too: systemd leaves a directory of configuration as it is, to root."""
    guide = (DEPLOY.parent / "docs" / "how-to" / "service.md").read_text()
    mode, name = (settings()[f"ConfigurationDirectory{end}"] for end in ("Mode", ""))
    assert f"install -d -m {mode} -g {settings()['Group']} /etc/{name} " in guide
