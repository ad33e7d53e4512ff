"""What the README promises: `make dev` proves itself, the second terminal's commands work."""

import os
import re
import select
import shutil
import signal
import socket
import stat
import subprocess
import sys
import textwrap
import time
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from tests.harness import CUSTODY, PATIENCE

_ROOT = Path(__file__).parents[2]
_README = (_ROOT / "README.md").read_text(encoding="utf-8")


class Dev:
    """`make dev` after its setup, in a copy: its data lie beside its own tools."""

    def __init__(self, clone: Path, port: int) -> None:
        self.kept = clone / ".dev"
        self.address = f"http://127.0.0.1:{port}"
        environment = {**os.environ, "CUSTODY_DEV_ADDR": f"127.0.0.1:{port}"}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tools.dev"],
            cwd=clone,
            env=environment,
            stdout=subprocess.PIPE,
        )
        self.said = ""
        self._read_until("Control-C stops the server.")

    def stop(self, number: int = signal.SIGINT) -> int:
        """Its exit status after Control-C, or another signal."""
        self.process.send_signal(number)
        return self.process.wait(PATIENCE)

    def token(self) -> str:
        """The root token that it keeps."""
        return (self.kept / "UNSAFE-root-token").read_text().strip()

    def share(self) -> str:
        """The unseal share that it keeps."""
        return (self.kept / "UNSAFE-unseal-share").read_text().strip()

    def _read_until(self, text: str) -> None:
        assert self.process.stdout is not None
        deadline = time.monotonic() + PATIENCE
        while text not in self.said:
            ready, _, _ = select.select([self.process.stdout], [], [], PATIENCE)
            piece = os.read(self.process.stdout.fileno(), 65536).decode() if ready else ""
            self.said += piece
            assert piece, f"it ended or hangs: {self.said}"
            assert time.monotonic() < deadline, self.said

    def close(self) -> None:
        """End it whatever its state."""
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(PATIENCE)
        if self.process.stdout is not None:
            self.process.stdout.close()


class Terminal:
    """A second terminal, with the three exports that `make dev` prints."""

    def __init__(self, dev: Dev, home: Path) -> None:
        self._environment = {
            "HOME": str(home),
            "PATH": f"{CUSTODY.parent}:{os.environ['PATH']}",
            "CUSTODY_ADDR": dev.address,
            "CUSTODY_TOKEN": dev.token(),
        }
        self.home = home

    def run(self, line: str, stdin: str = "", env: Mapping[str, str | None] | None = None) -> str:
        """What a command prints. Raises AssertionError when it fails."""
        merged = {**self._environment, **(env or {})}
        environment = {name: value for name, value in merged.items() if value is not None}
        done = subprocess.run(  # noqa: S602 - lines of the README, as a shell reads them
            line,
            shell=True,
            cwd=self.home,
            env=environment,
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{line}: {done.stdout}{done.stderr}"
        return done.stdout


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """What `make dev` needs of a clone."""
    place = tmp_path / "clone"
    shutil.copytree(_ROOT / "tools", place / "tools")
    return place


@pytest.fixture
def dev(clone: Path) -> Iterator[Dev]:
    """A server that `make dev` has started for the first time."""
    one = Dev(clone, _free_port())
    try:
        yield one
    finally:
        one.close()


@pytest.fixture
def terminal(dev: Dev, tmp_path: Path) -> Terminal:
    """A second terminal."""
    return Terminal(dev, tmp_path)


def test_make_dev_proves_itself_and_keeps_its_secrets_apart(dev: Dev) -> None:
    assert f"Custody is up at {dev.address}" in dev.said
    assert "it is at version 1" in dev.said
    assert dev.token() not in dev.said
    for name in ("UNSAFE-root-token", "UNSAFE-unseal-share"):
        assert stat.S_IMODE((dev.kept / name).stat().st_mode) == 0o600
    kept = [path.name for path in (dev.kept / "data").rglob("*")]
    assert kept
    assert not any("UNSAFE" in name for name in kept)
    assert dev.stop() == 0


def test_a_second_start_finds_the_data_again(dev: Dev, clone: Path, tmp_path: Path) -> None:
    Terminal(dev, tmp_path).run("custody kv put secret/app user=u")
    assert dev.stop(signal.SIGTERM) == 0
    again = Dev(clone, _free_port())
    try:
        assert "it is at version 2" in again.said
        assert Terminal(again, tmp_path).run("custody kv get -field=user secret/app") == "u"
    finally:
        again.close()


def test_the_commands_of_the_readme_work(terminal: Terminal) -> None:
    lines = re.findall(r"^    (custody (?:status|kv) ?.*|curl .*)$", _README, re.MULTILINE)
    assert len(lines) >= 5
    printed = [terminal.run(line) for line in lines]
    assert any(re.search(r"Sealed +false", text) for text in printed)
    assert "p" in printed
    assert any('"password":"p"' in text.replace(" ", "") for text in printed)


def test_the_program_of_the_readme_works(terminal: Terminal) -> None:
    terminal.run("custody kv put secret/app user=u password=p")
    (program,) = re.findall(r"^    (import os\n(?:(?:    .*)?\n)+)", _README, re.MULTILINE)
    (terminal.home / "program.py").write_text(textwrap.dedent(f"    {program}"))
    assert terminal.run(f"{sys.executable} program.py") == "p\n"


def test_policies_tokens_and_logins_work_in_the_second_terminal(terminal: Terminal) -> None:
    policy = 'path "secret/data/app" { capabilities = ["read"] }'
    terminal.run("custody kv put secret/app user=u password=p")
    terminal.run("custody policy write reader -", stdin=policy)
    token = terminal.run("custody token create -policy=reader -field=token").strip()
    assert "reader" in terminal.run(f"custody token lookup -field=policies {token}")
    terminal.run("custody login -no-print -", stdin=token, env={"CUSTODY_TOKEN": None})
    read = "custody kv get -field=password secret/app"
    assert terminal.run(read, env={"CUSTODY_TOKEN": None}) == "p"
    terminal.run(f"custody token revoke {token}")
    with pytest.raises(AssertionError, match="permission denied"):
        terminal.run(read, env={"CUSTODY_TOKEN": None})


def test_a_node_is_sealed_and_unsealed_in_the_second_terminal(terminal: Terminal, dev: Dev) -> None:
    terminal.run("custody operator seal")
    with pytest.raises(AssertionError, match="sealed"):
        terminal.run("custody kv get secret/make-dev")
    terminal.run("custody operator unseal", stdin=f"{dev.share()}\n")
    assert terminal.run("custody kv get -field=value secret/make-dev")


def test_plain_http_reaches_it(dev: Dev) -> None:
    request = urllib.request.Request(  # noqa: S310 - http to our own server
        f"{dev.address}/v1/secret/data/make-dev", headers={"X-Vault-Token": dev.token()}
    )
    with urllib.request.urlopen(request) as answer:  # noqa: S310 - as above
        assert answer.status == 200


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
