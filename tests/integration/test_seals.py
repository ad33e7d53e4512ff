"""Automatic seals on a real node: it opens when it starts and when its custodian died."""

import contextlib
import http.client
import os
import secrets
import signal
import subprocess
import threading
import time
from pathlib import Path
from typing import Any

from tests.harness import CUSTODY, Client, Server, eventually, kill_all

from custody.seals.transit import TIMEOUT
from custody.testing.transit import TransitServer

STANZA = 'seal "static" {{ current_key_id = "one"\n current_key = "file://{file}" }}\n'


def _node(directory: Path) -> tuple[Server, Path]:
    """A node under a static key, and the key's file."""
    file = directory / "seal-key"
    file.write_text(secrets.token_hex(32))
    return Server(directory, settings=STANZA.format(file=file)), file


def _is_open(server: Server) -> bool:
    return server.answers() and server.call("GET", "sys/seal-status").body["sealed"] is False


def _is_sealed(client: Client) -> bool:
    return client.expect(200, "GET", "sys/seal-status").body["sealed"] is True


def _backends(server: Server) -> dict[str, Any]:
    found: dict[str, Any] = server.call("GET", "sys/seal-backend-status").body
    return found


def _begin(server: Server) -> list[str]:
    """Initialise, wait until it has opened, write a secret; the recovery shares."""
    body = {"recovery_shares": 3, "recovery_threshold": 2}
    made = server.expect(200, "PUT", "sys/init", body).body
    server.token = made["root_token"]
    eventually(lambda: _is_open(server))
    server.mount()
    server.expect(200, "POST", "secret/data/a", {"data": {"a": "1"}})
    return list(made["recovery_keys"])


def _pid(server: Server, role: str) -> int:
    return server.of_role(role)[0]


def test_a_node_opens_by_its_seal_at_start_and_after_its_custodian_died(tmp_path: Path) -> None:
    server, _ = _node(tmp_path)
    with server:
        _begin(server)
        custodian = _pid(server, "custodian")
        os.kill(custodian, signal.SIGKILL)
        server.wait_until_replaced(custodian)
        eventually(lambda: _is_open(server))
        assert server.expect(200, "GET", "secret/data/a").data["data"] == {"a": "1"}
        kill_all([server.process.pid, *server.pids()])
        server.kill()
        server.start()
        eventually(lambda: _is_open(server))
        assert server.expect(200, "GET", "secret/data/a").data["data"] == {"a": "1"}


def test_a_node_that_was_sealed_stays_so_until_people_or_a_restart_open_it(tmp_path: Path) -> None:
    server, _ = _node(tmp_path)
    with server:
        shares = _begin(server)
        before = server.pids()
        server.expect(204, "PUT", "sys/seal")
        server.wait_until_replaced(*before)
        custodian = _pid(server, "custodian")
        os.kill(custodian, signal.SIGKILL)  # what starts in its place must not open it, either
        server.wait_until_replaced(custodian)
        time.sleep(2.5)  # the steward looks each second
        assert not _is_open(server)
        for share in shares[:2]:
            server.expect(200, "PUT", "sys/unseal", {"key": share})
        assert _is_open(server)
        custodian = _pid(server, "custodian")
        os.kill(custodian, signal.SIGKILL)
        server.wait_until_replaced(custodian)
        eventually(lambda: _is_open(server))


def test_who_seals_is_obeyed_also_where_the_custodian_dies_before_all_have_dropped_the_keys(
    tmp_path: Path,
) -> None:
    server, _ = _node(tmp_path)
    with server:
        _begin(server)
        custodian = _pid(server, "custodian")
        os.kill(_pid(server, "steward"), signal.SIGSTOP)  # it is waited for

        def seal() -> None:
            with contextlib.suppress(OSError, http.client.HTTPException):
                server.call("PUT", "sys/seal")

        with server.client() as client:  # who comes anew waits for the next worker
            client.expect(200, "GET", "sys/health")
            sealing = threading.Thread(target=seal)
            sealing.start()
            eventually(lambda: _is_sealed(client))
        os.kill(custodian, signal.SIGKILL)
        sealing.join()
        server.wait_until_replaced(custodian)
        time.sleep(2.5)  # the steward looks each second
        assert not _is_open(server)


def test_shares_of_the_unseal_key_are_refused_where_there_are_none(tmp_path: Path) -> None:
    server, _ = _node(tmp_path)
    with server:
        done = subprocess.run(  # noqa: S603 our own program
            [CUSTODY, "operator", "init", "-key-shares=1", "-key-threshold=1"],
            env={"CUSTODY_ADDR": server.address, "HOME": str(tmp_path)},
            capture_output=True,
            text=True,
            check=False,
        )
        text = "parameters secret_shares,secret_threshold not applicable to seal type static"
        assert (done.returncode, done.stdout, text in done.stderr) == (2, "", True)
        assert server.expect(200, "GET", "sys/init").body == {"initialized": False}


def test_a_seal_that_cannot_be_asked_is_told_asked_again_and_ends_no_process(
    tmp_path: Path,
) -> None:
    server, file = _node(tmp_path)
    with server:
        _begin(server)
        server.stop()
        kept = tmp_path / "away"
        file.rename(kept)
        server.start()
        reason = "a file of the seal cannot be read"
        eventually(lambda: server.call("GET", "sys/seal-status").body.get("unseal_error") == reason)
        pids = server.pids()
        time.sleep(1.5)
        assert server.pids() == pids
        assert f"job unseal: {reason}; {file}: No such file or directory" in server.log.read_text()
        kept.rename(file)
        eventually(lambda: _is_open(server))
        assert server.pids() == pids
        assert kept.name not in server.log.read_text()
        assert file.read_text() not in server.log.read_text()


TRANSIT = """
seal "transit" {{
  address  = "{address}"
  token    = "{token}"
  key_name = "unseal"
}}
"""


def test_another_servers_key_opens_it_and_people_do_when_that_is_gone_for_good(
    tmp_path: Path,
) -> None:
    with TransitServer() as kms:
        kms.make_key("unseal")
        settings = TRANSIT.format(address=kms.address, token=kms.token)
        with Server(tmp_path, settings=settings) as server:
            shares = _begin(server)
            kms.out_of_order = True
            server.stop()
            server.start()
            said = "the transit server answered 503"
            eventually(lambda: _error(server) == said)
            eventually(lambda: "unhealthy_since" in _backends(server))
            kms.out_of_order = False
            eventually(lambda: _is_open(server))
            kms.destroy_key("unseal")
            custodian = _pid(server, "custodian")
            os.kill(custodian, signal.SIGKILL)
            server.wait_until_replaced(custodian)
            eventually(lambda: "refuses the key" in _error(server))
            for share in shares[1:]:
                server.expect(200, "PUT", "sys/unseal", {"key": share})
            assert server.expect(200, "GET", "secret/data/a").data["data"] == {"a": "1"}
            assert kms.token not in server.log.read_text()


def test_sealing_waits_for_no_seal_that_is_silent(tmp_path: Path) -> None:
    with TransitServer() as kms:
        kms.make_key("unseal")
        settings = TRANSIT.format(address=kms.address, token=kms.token)
        with Server(tmp_path, settings=settings) as server:
            shares = _begin(server)
            asked = len(kms.requests)
            kms.awake.clear()
            token = server.token
            waiting = threading.Thread(target=_rotate_root_key, args=(server, token))
            waiting.start()
            eventually(lambda: len(kms.requests) > asked)
            began = time.monotonic()
            server.expect(204, "PUT", "sys/seal")
            assert time.monotonic() - began < TIMEOUT / 2
            eventually(lambda: server.answers() and not _is_open(server))
            kms.awake.set()
            waiting.join()
            time.sleep(1.5)  # the steward looks each second
            assert not _is_open(server)
            for share in shares[:2]:
                server.expect(200, "PUT", "sys/unseal", {"key": share})
            assert server.expect(200, "GET", "secret/data/a").data["data"] == {"a": "1"}


def _rotate_root_key(server: Server, token: str) -> None:
    with contextlib.suppress(OSError, http.client.HTTPException), server.client(token) as client:
        client.call("PUT", "sys/rotate/root")


def _error(server: Server) -> str:
    return str(server.call("GET", "sys/seal-status").body.get("unseal_error", ""))


def test_shares_holders_move_a_store_to_another_seal_and_back(tmp_path: Path) -> None:
    server, file = _node(tmp_path)
    with server:
        shares = _begin(server)
        static, key = server.settings, file.read_text()
        server.stop()
        file.unlink()  # the key is gone for good
        server.settings = static.replace("{", '{ disabled = "true"\n', 1)
        server.start()
        assert server.call("GET", "sys/seal-status").body["migration"] is True
        for share in shares[1:]:
            server.expect(200, "PUT", "sys/unseal", {"key": share, "migrate": True})
        assert _is_open(server)
        assert server.expect(200, "GET", "secret/data/a").data["data"] == {"a": "1"}
        server.stop()
        file.write_text(key[::-1])
        server.settings = static
        server.start()
        for share in shares[:2]:
            server.expect(200, "PUT", "sys/unseal", {"key": share, "migrate": True})
        server.stop()
        server.start()
        eventually(lambda: _is_open(server))
        assert server.expect(200, "GET", "secret/data/a").data["data"] == {"a": "1"}


def test_who_keeps_a_connection_is_not_cut_off_by_a_seal(node: Server) -> None:
    """Whoever tells that the node is sealed has asked for a new connection with it."""
    with node.client() as client:
        for _ in range(6):
            client.expect(204, "PUT", "sys/seal")
            eventually(lambda: _is_sealed(client))
            answer = client.expect(200, "PUT", "sys/unseal", {"key": node.shares[0]})
            assert answer.body["sealed"] is False
            eventually(lambda: node.whole() and not _is_sealed(client))
