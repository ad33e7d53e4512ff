"""`custody debug`: what is collected, what is left out, and who may read it."""

import json
import os
import signal
import socket
import tarfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.unit.cli.conftest import ROOT_TOKEN

CLI = Callable[..., tuple[int, str, str]]


@pytest.fixture
def bundle(tmp_path: Path, server: Any) -> Path:
    """Where the files go; the server tells of its health and its host."""
    server.vault.canned["sys/health"] = (200, {"initialized": True, "sealed": False})
    server.vault.canned["sys/host-info"] = (200, {"data": {"host": {"hostname": "here"}}})
    server.vault.canned["sys/metrics"] = (403, {"errors": ["permission denied"]})
    return tmp_path / "bundle"


def read(path: Path) -> Any:
    return json.loads(path.read_text())


def test_one_look_is_written_into_an_archive_of_its_owners(cli: CLI, bundle: Path) -> None:
    code, out, err = cli("debug", "-duration=1s", f"-output={bundle}")
    archive = bundle.with_name("bundle.tar.gz")
    assert (code, out) == (0, f"Success! Bundle written to: {archive}\n")
    assert "Left out metrics: * permission denied" in err
    assert not bundle.exists()
    assert archive.stat().st_mode & 0o777 == 0o600
    with tarfile.open(archive) as packed:
        names = sorted(packed.getnames())
        assert all(member.mode & 0o077 == 0 for member in packed.getmembers())
        content = b"".join(packed.extractfile(name).read() for name in names[1:])  # type: ignore[union-attr] # a file
    assert names == [
        "bundle", "bundle/health.json", "bundle/host_info.json", "bundle/index.json",
        "bundle/leader.json", "bundle/seal_status.json",
    ]  # fmt: skip
    assert ROOT_TOKEN.encode() not in content


def test_only_the_targets_that_are_named_are_asked_for(cli: CLI, server: Any, bundle: Path) -> None:
    words = ("-target=host,metrics", "-duration=1s", "-compress=false", f"-output={bundle}")
    assert cli("debug", *words)[0] == 0
    assert {request["path"] for request in server.vault.requests} == {
        "sys/host-info", "sys/metrics",
    }  # fmt: skip
    assert read(bundle / "host_info.json")[0]["host"] == {"hostname": "here"}
    index = read(bundle / "index.json")
    assert (index["targets"], index["output"]) == (["host", "metrics"], ["host_info.json"])
    assert [error["target"] for error in index["errors"]] == ["metrics"]


def test_it_looks_again_as_long_as_it_was_told(cli: CLI, bundle: Path) -> None:
    words = ("-target=host", "-duration=6s", "-interval=1s", "-compress=false")
    assert cli("debug", *words, f"-output={bundle}")[0] == 0
    assert len(read(bundle / "host_info.json")) == 2  # at once, and after the shortest interval


def test_nothing_that_is_there_is_written_over(cli: CLI, bundle: Path) -> None:
    bundle.mkdir()
    code, _, err = cli("debug", f"-output={bundle}")
    assert (code, "is there already" in err) == (1, True)
    code, _, err = cli("debug", "-target=everything")
    assert (code, "unknown target everything" in err) == (1, True)


@contextmanager
def a_log_without_end(bundle: Path) -> Iterator[str]:
    """The address of a server whose log says one line; once that is written, we are interrupted."""
    ended = threading.Event()

    def serve() -> None:
        line, _ = listener.accept()
        with line:
            line.recv(65536)
            line.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n6\r\na line\r\n")
            while not (bundle / "custody.log").exists() and not ended.wait(0.01):
                pass
            os.kill(os.getpid(), signal.SIGINT)
            ended.wait(30)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = threading.Thread(target=serve)
        server.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            ended.set()
            server.join()


@pytest.mark.parametrize("compress", ["true", "false"])
def test_an_interruption_ends_the_log_and_keeps_what_there_is(
    cli: CLI, bundle: Path, compress: str
) -> None:
    words = ("debug", "-target=log", "-duration=60s", f"-compress={compress}", f"-output={bundle}")
    with a_log_without_end(bundle) as address:
        before = set(threading.enumerate())
        code, _, err = cli(*words, env={"CUSTODY_ADDR": address})
        assert (code, "Left out" in err) == (0, False)
        assert set(threading.enumerate()) <= before
    if compress == "false":
        assert (bundle / "custody.log").read_text() == "a line"
        return
    assert not bundle.exists()
    with tarfile.open(bundle.with_name("bundle.tar.gz")) as packed:
        assert "bundle/custody.log" in packed.getnames()
