"""`custody doctor` beside a real server, with its configuration."""

import json
import subprocess
from pathlib import Path
from typing import Any

from tests.certificates import self_signed, trusting_any
from tests.harness import CUSTODY, Server


def doctor(server: Server, **env: str) -> tuple[int, list[dict[str, Any]]]:
    done = subprocess.run(  # noqa: S603 our own program
        [CUSTODY, "doctor", "-format=json", f"-config={server.directory / 'server.hcl'}"],
        env={"CUSTODY_ADDR": server.address, "HOME": str(server.directory), **env},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    return done.returncode, json.loads(done.stdout)


def test_a_node_in_order_has_nothing_wrong(tmp_path: Path) -> None:
    self_signed(tmp_path)
    (tmp_path / "key.pem").chmod(0o600)
    listener = f'tls_cert_file = "{tmp_path}/cert.pem"\n  tls_key_file = "{tmp_path}/key.pem"'
    with Server(tmp_path, listener=listener, tls=trusting_any()) as server:
        server.initialise()
        env = {"CUSTODY_TOKEN": server.token, "CUSTODY_CACERT": str(tmp_path / "cert.pem")}
        code, found = doctor(server, **env)
        assert [one for one in found if one["state"] == "fail"] == []
        texts = " / ".join(one["text"] for one in found)
        for text in ("is its owner's alone", "it is unsealed", "1 enabled: file/", "is valid for",
                     "clock and this machine's agree", "a root token is in use"):  # fmt: skip
            assert text in texts
        assert code == 2
        server.expect(204, "PUT", "sys/seal")
        code, found = doctor(server, **env)
        assert code == 1
        assert "it is sealed" in [one["text"] for one in found if one["state"] == "fail"]
