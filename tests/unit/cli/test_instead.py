"""What is printed in place of a request: a line for curl, or a policy."""

import json
import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

CLI = Callable[..., tuple[int, str, str]]


def test_the_curl_line_sends_the_very_request_when_a_shell_runs_it(
    cli: CLI, server: Any, tmp_path: Path
) -> None:
    code, out, err = cli("kv", "put", "-output-curl-string", "secret/a b", "it=quo'te $HOME")
    assert (code, err) == (0, "")
    assert [request["method"] for request in server.vault.requests] == ["GET"]  # the preflight
    (tmp_path / "curl").write_text('#!/bin/sh\nfor word; do printf "%s\\0" "$word"; done\n')
    (tmp_path / "custody").write_text("#!/bin/sh\necho printed-$1-$2\n")
    for name in ("curl", "custody"):
        (tmp_path / name).chmod(0o700)
    run = subprocess.run(  # noqa: S603 our own line
        ["/bin/sh", "-c", out],
        env={"PATH": f"{tmp_path}:/usr/bin:/bin", "HOME": "/wrong"},
        capture_output=True,
        check=True,
        text=True,
    )
    words = run.stdout.split("\0")[:-1]
    assert words[:2] == ["-X", "PUT"]
    assert "X-Vault-Token: printed-print-token" in words
    assert json.loads(words[words.index("-d") + 1]) == {
        "data": {"it": "quo'te $HOME"},
        "options": {},
    }
    assert words[-1] == f"{server.address}/v1/secret/data/a%20b"


def test_the_token_is_not_in_the_curl_line(cli: CLI) -> None:
    code, out, _ = cli("read", "-output-curl-string", "-header=X-Team=web", "sys/mounts")
    assert code == 0
    assert "RootRoot" not in out
    assert "X-Team: web" in shlex.split(out)


@pytest.mark.parametrize(
    ("words", "path", "capabilities"),
    [
        (("kv", "get", "secret/a"), "secret/data/a", ["read"]),
        (("kv", "put", "secret/a", "k=v"), "secret/data/a", ["create", "update"]),
        (("kv", "patch", "secret/a", "k=v"), "secret/data/a", ["patch"]),
        (("kv", "list", "secret/a"), "secret/metadata/a", ["list"]),
        (("scan", "secret/metadata"), "secret/metadata", ["scan"]),
        (("scan", "sys/audit"), "sys/audit", ["scan"]),
        (("scan", "sys/health"), "sys/health", ["scan"]),
        (("policy", "delete", "web"), "sys/policies/acl/web", ["delete"]),
        (("audit", "list"), "sys/audit", ["read", "sudo"]),
        (("operator", "seal"), "sys/seal", ["create", "update", "sudo"]),
        (("token", "create", "-orphan"), "auth/token/create", ["create", "update", "sudo"]),
        (("operator", "verify", "-status"), "sys/verify", ["read", "sudo"]),
        (("token", "lookup"), "auth/token/lookup-self", ["read"]),
    ],
)
def test_the_policy_names_path_and_capabilities(
    words: tuple[str, ...], path: str, capabilities: list[str], cli: CLI, server: Any
) -> None:
    code, out, err = cli(*words, "-output-policy")
    assert (code, err) == (0, "")
    listed = ", ".join(f'"{capability}"' for capability in capabilities)
    assert out == f'path "{path}" {{\n  capabilities = [{listed}]\n}}\n'
    assert not [one for one in server.vault.requests if "internal" not in one["path"]]


def test_the_policy_names_all_requests_of_a_command(cli: CLI, server: Any) -> None:
    code, out, err = cli("kv", "rollback", "-version=1", "-output-policy", "secret/a")
    assert (code, err) == (0, "")
    assert out == 'path "secret/data/a" {\n  capabilities = ["read", "create", "update"]\n}\n'
    _, out, _ = cli("secrets", "disable", "-wait", "-output-policy", "team")
    assert [line for line in out.splitlines() if line.startswith(("path", "  "))] == [
        'path "sys/mounts" {', '  capabilities = ["read"]',
        'path "sys/mounts/team" {', '  capabilities = ["delete"]',
        'path "sys/unmounts" {', '  capabilities = ["list"]',
    ]  # fmt: skip
    assert not [one for one in server.vault.requests if "internal" not in one["path"]]


def test_what_needs_no_token_needs_no_policy(cli: CLI) -> None:
    for words in (("status",), ("operator", "unseal", "share")):
        code, out, _ = cli(*words, "-output-policy")
        assert code == 0
        assert out.startswith("# sys/")
        assert out.endswith(" needs no policy: it is answered without a token\n")


def test_the_policy_for_a_token_says_what_it_cannot_give(cli: CLI) -> None:
    _, out, _ = cli("token", "create", "-policy=web", "-output-policy")
    assert out.startswith('# a token without "sudo" on auth/token/create can give only')


@pytest.mark.parametrize("command", ["doctor", "debug", "login"])
def test_a_command_of_many_requests_names_them_all_and_sends_none(
    command: str, cli: CLI, server: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    code, out, err = cli(command, "-output-policy")
    assert (code, err) == (0, "")
    assert 'path "' in out
    code, out, err = cli(command, "-output-curl-string")
    assert (code, out) == (1, "")
    assert "more than one" in err
    assert server.vault.requests == []
    assert list(tmp_path.iterdir()) == []


def test_only_one_of_the_two_can_be_asked_for(cli: CLI) -> None:
    code, _, err = cli("read", "-output-policy", "-output-curl-string", "x")
    assert (code, "cannot specify both" in err) == (1, True)
