"""The servers that are measured: how each is started, and what it is called.

All listen on loopback ports that were free a moment ago and keep everything in the directory
they are given. Custody and OpenBao run as anyone would run them: data on disk, each commit
synced, one file audit device.
"""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tools import config, process
from tools.api import API

CUSTODY = "Custody"
OPENBAO = "OpenBao"
BARE = "bare listener"
WORKERS = min(len(os.sched_getaffinity(0)), 8)  # as many as Custody starts by default

_LOOPBACK = "127.0.0.1"
_CONFIG = "server.hcl"
_OPENBAO = """\
storage "raft" {{
  path    = {data}
  node_id = "bench"
}}

listener "tcp" {{
  address     = {address}
  tls_disable = true
}}

audit "file" "file" {{
  options {{
    file_path = {audit}
  }}
}}

disable_mlock = true
api_addr      = {api_addr}
cluster_addr  = {cluster_addr}
log_level     = "warn"
"""


@dataclass(slots=True)
class Target:
    """A running server. `api` carries the ordinary token once there is one."""

    name: str
    api: API
    process: subprocess.Popen[bytes]
    share: str = field(default="", repr=False)

    @property
    def is_vault(self) -> bool:
        """Whether it keeps secrets, or only answers."""
        return self.name != BARE


Starter = Callable[[Path], Target]


def custody(directory: Path) -> Target:
    """Custody with its default workers, the embedded store and a file audit device."""
    api = API(_LOOPBACK, free_port())
    text = config.custody(api, directory / "data", directory / "audit.log", "warn")
    _write(directory, text)
    return Target(CUSTODY, api, start_custody(directory))


def start_custody(directory: Path) -> subprocess.Popen[bytes]:
    """Start it on the configuration and the data that are in `directory`."""
    command: list[str | Path] = [process.CUSTODY, "server", f"-config={directory / _CONFIG}"]
    return process.start(command, directory / "server.log")


def openbao(executable: Path) -> Starter:
    """OpenBao with raft storage and a file audit device, from an executable that is there."""

    def start(directory: Path) -> Target:
        api = API(_LOOPBACK, free_port())
        text = _OPENBAO.format(
            **config.quoted(api, directory / "data", directory / "audit.log"),
            cluster_addr=json.dumps(f"http://{_LOOPBACK}:{free_port()}"),
        )
        _write(directory, text)
        command: list[str | Path] = [executable, "server", f"-config={directory / _CONFIG}"]
        return Target(OPENBAO, api, process.start(command, directory / "server.log"))

    return start


def bare(directory: Path) -> Target:
    """Custody's HTTP server with as many workers, answering a constant."""
    directory.mkdir()
    api = API(_LOOPBACK, free_port())
    command: list[str | Path] = [
        Path(sys.executable).with_name("granian"),
        *("--interface", "asginl", "--http", "1", "--no-ws", "--no-log"),
        *("--host", api.host, "--port", str(api.port), "--workers", str(WORKERS)),
        *("--backlog", "4096", "bench.bare:app"),
    ]
    return Target(BARE, api, process.start(command, directory / "server.log"))


def free_port() -> int:
    """A loopback port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind((_LOOPBACK, 0))
        return int(probe.getsockname()[1])


def _write(directory: Path, text: str) -> None:
    (directory / "data").mkdir(parents=True)
    (directory / _CONFIG).write_text(text)
