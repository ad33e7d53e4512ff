"""schemathesis against the generated description, on a real server: no 5xx, no broken promise.

Every operation is called with data that its description allows and with data that it does not. What
would end the run itself (sealing, the caller's own token) is left out, and so is what takes as long
as it is asked to. A path that cannot be printed gets a bare 400, as from Vault: the hook leaves
those out.
"""

import json
import subprocess
import sys
from pathlib import Path

from tests.harness import Client, Server

SCHEMATHESIS = Path(sys.executable).with_name("schemathesis")
SECONDS = 80
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
    "response_headers_conformance",
)
LEFT_OUT = (
    "/sys/seal",
    "/sys/init",
    "/auth/token/revoke-self",
    "/sys/storage/snapshot",
    "/sys/storage/snapshot-force",
    "/sys/storage/raft/snapshot",
    "/sys/storage/raft/snapshot-force",
    "/sys/verify",
    "/sys/pprof/profile",
    "/sys/monitor",
)


HOOKS = """
from urllib.parse import unquote

import schemathesis


@schemathesis.hook
def filter_case(context, case):
    values = [str(value) for value in (case.path_parameters or {}).values()]
    return all(unquote(value).isprintable() for value in values)
"""


def test_no_operation_breaks_what_its_description_says(node: Server, tmp_path: Path) -> None:
    with Client(node.port, node.token) as client:
        document = client.expect(200, "GET", "sys/internal/specs/openapi").body
    assert set(LEFT_OUT) <= document["paths"].keys()
    for path in LEFT_OUT:
        del document["paths"][path]
    schema = tmp_path / "openapi.json"
    schema.write_text(json.dumps(document))
    config = tmp_path / "schemathesis.toml"
    (tmp_path / "hooks.py").write_text(HOOKS)
    config.write_text(f'hooks = "hooks.py"\n[headers]\nX-Vault-Token = "{node.token}"\n')
    done = subprocess.run(  # noqa: S603 - our own server, our own tool
        [
            SCHEMATHESIS, f"--config-file={config}", "run", str(schema),
            f"--url={node.address}/v1", f"--checks={','.join(CHECKS)}",
            "--phases=coverage,fuzzing", "--max-examples=2", "--no-shrink", "--workers=1",
            "--continue-on-failure", "--seed=1", f"--max-time={SECONDS}", "--warnings=off",
            "--suppress-health-check=all", "--request-timeout=10",
        ],
        capture_output=True, text=True, timeout=2 * SECONDS, check=False, cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
