"""The program as a whole: help, exit codes, signals, start-up."""

import json
import os
import pty
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from custody.cli.kv_path import Location, split
from custody.cli.tree import COMMANDS, GROUPS

CLI = Callable[..., tuple[int, str, str]]
PROGRAM = (sys.executable, "-c", "import sys; from custody.cli.main import main; sys.exit(main())")


def spawn(words: list[str], address: str, **more: Any) -> "subprocess.Popen[bytes]":
    env = {"CUSTODY_ADDR": address, "HOME": "/nonexistent", "PATH": os.defpath}
    return subprocess.Popen([*PROGRAM, *words], env=env, **more)  # noqa: S603 our own program


@pytest.mark.parametrize("name", sorted(COMMANDS))
@pytest.mark.parametrize("flag", ["-h", "--help"])
def test_every_command_explains_itself_with_an_example(name: str, flag: str, cli: CLI) -> None:
    code, out, err = cli(*name.split(), "argument", flag)
    assert (code, err) == (0, "")
    assert out.startswith(f"Usage: custody {name}")
    assert f"$ custody {name}" in out or f"| custody {name}" in out


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_commands_options_are_distinct(name: str) -> None:
    flags = [*COMMANDS[name].flags, *COMMANDS[name].shared]
    names = [word for flag in flags for word in (flag.name, flag.alias) if word]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("name", sorted(GROUPS))
def test_every_group_lists_its_commands(name: str, cli: CLI) -> None:
    code, out, err = cli(*name.split(), "-h")
    assert (code, err) == (0, "")
    assert "Commands:" in out
    code, out, err = cli(*name.split())
    assert (code, out) == (1 if name else 127, "")
    assert "Commands:" in err


def test_every_command_of_two_words_is_in_a_group() -> None:
    assert all(name.rpartition(" ")[0] in GROUPS for name in COMMANDS)


@pytest.mark.parametrize(
    ("words", "guess"),
    [(("kv", "gte"), "kv get"), (("operater", "x"), "operator"), (("stauts",), "status"),
     (("kv", "metadata", "gett"), "kv metadata get")],
)  # fmt: skip
def test_an_unknown_command_is_answered_with_a_guess(
    words: tuple[str, ...], guess: str, cli: CLI
) -> None:
    code, out, err = cli(*words, "password=hunter2")
    assert (code, out) == (127, "")
    assert f"custody {guess}\n" in err
    assert "hunter2" not in err


@pytest.mark.parametrize("word", ["version", "-v", "--version"])
def test_the_version_is_printed(word: str, cli: CLI) -> None:
    assert cli(word) == (0, "Custody v0.1.0\n", "")


def test_the_format_comes_from_the_option_then_the_environment(cli: CLI) -> None:
    assert json.loads(cli("policy", "list", env={"BAO_FORMAT": "json"})[1]) == ["default", "root"]
    out = cli("policy", "list", "-format=yaml", env={"BAO_FORMAT": "json"})[1]
    assert out == "- default\n- root\n"
    code, _, err = cli("policy", "list", "-format=xml")
    assert (code, "Invalid output format: xml" in err) == (1, True)


def test_lists_of_mounts_and_devices_are_tables(cli: CLI) -> None:
    assert cli("secrets", "list")[1].splitlines() == [
        "Path       Type      Accessor           Description",
        "----       ----      --------           -----------",
        "secret/    kv        kv_0a1b2c3d        n/a",
        "sys/       system    system_0a1b2c3d    n/a",
    ]
    assert "map[version:2]" in cli("secrets", "list", "-detailed")[1]
    assert cli("audit", "list") == (2, "No audit devices are enabled.\n", "")
    cli("audit", "enable", "-description=first", "file", "file_path=/x", "mode=0600")
    assert cli("audit", "list", "-detailed")[1].splitlines()[2] == (
        "file/    file    first          replicated     file_path=/x mode=0600"
    )


def test_an_enabled_engine_is_described_in_full(cli: CLI, server: Any) -> None:
    words = ("-version=2", "-options=a=b", "-max-lease-ttl=1h", "-allowed-response-headers=X,Y",
             "-local", "-path=/team/", "kv")  # fmt: skip
    code, out, _ = cli("secrets", "enable", *words)
    assert (code, out) == (0, "Success! Enabled the kv secrets engine at: team/\n")
    request = server.vault.requests[-1]
    assert (request["method"], request["path"]) == ("POST", "sys/mounts/team")
    assert request["body"] == {
        "type": "kv", "description": "", "options": {"a": "b", "version": "2"}, "local": True,
        "config": {"max_lease_ttl": "1h", "allowed_response_headers": ["X", "Y"]},
        "seal_wrap": False,
    }  # fmt: skip


def test_a_token_is_made_with_what_was_said_and_nothing_else(cli: CLI, server: Any) -> None:
    words = ("-policy=a,b", "-orphan", "-renewable=false", "-use-limit=3", "-period=24h")
    assert cli("token", "create", *words)[0] == 0
    assert server.vault.requests[-1]["body"] == {
        "policies": ["a", "b"], "no_parent": True, "renewable": False, "num_uses": 3,
        "period": "24h",
    }  # fmt: skip


def test_a_policy_that_is_empty_asks_for_no_token(cli: CLI, server: Any) -> None:
    before = len(server.vault.requests)
    code, _, errors = cli("token", "create", "-policy=")
    assert (code, len(server.vault.requests)) == (1, before)
    assert "-policy is empty" in errors


def test_init_for_machines_has_the_names_that_scripts_know(cli: CLI, server: Any) -> None:
    server.vault.initialised = False
    code, out, _ = cli("operator", "init", "-format=json", "-n=3", "-t=2")
    assert code == 0
    assert set(json.loads(out)) == {
        "unseal_keys_b64", "unseal_keys_hex", "unseal_shares", "unseal_threshold",
        "recovery_keys_b64", "recovery_keys_hex", "recovery_keys_shares",
        "recovery_keys_threshold", "root_token",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("path", "mount", "location"),
    [
        ("secret/a/b", "secret/", Location("secret", "a/b", versioned=True)),
        ("secret", "secret/", Location("secret", "", versioned=True)),
        ("secret/a", "ns/secret/", Location("secret", "a", versioned=True)),
        ("a/kv/b/c", "a/kv/", Location("a/kv", "b/c", versioned=True)),
        ("secretive/a", "secret/", Location("secret", "secretive/a", versioned=True)),
        ("kv/a", "", Location("", "kv/a", versioned=True)),
    ],
)
def test_a_path_is_cut_at_its_mount(path: str, mount: str, location: Location) -> None:
    assert split(path, mount, versioned=True) == location


def test_a_store_without_versions_has_plain_paths() -> None:
    assert Location("kv", "a", versioned=False).api("data") == "kv/a"
    assert Location("kv", "", versioned=True).api("metadata") == "kv/metadata"


def test_a_client_command_starts_without_the_server_and_without_http() -> None:
    code = (
        "import sys; from custody.cli.environment import Environment;"
        "from custody.cli.main import run; from custody.cli.command import Console;"
        "console = Console(sys.stdin, sys.stderr, sys.stderr, str);"
        "run(['kv', 'put', '-h'], Environment({}), console);"
        "print(*sorted(sys.modules))"
    )
    done = subprocess.run(  # noqa: S603 our own program
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    loaded = set(done.stdout.split())
    assert not loaded & {"http.client", "ssl", "asyncio", "msgspec", "lmdb", "granian"}
    assert not [name for name in loaded if name.startswith(("custody.serve", "custody.core"))]


def test_a_reader_that_goes_away_is_no_error() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    process = spawn(
        ["kv", "put", "-h"], "http://127.0.0.1:1", stdout=writer, stderr=subprocess.PIPE
    )
    os.close(writer)
    _, err = process.communicate(timeout=20)
    assert (process.returncode, err) == (141, b"")


def test_a_full_disk_below_the_output_is_told_in_a_line() -> None:
    with Path("/dev/full").open("wb") as full:
        process = spawn(
            ["kv", "put", "-h"], "http://127.0.0.1:1", stdout=full, stderr=subprocess.PIPE
        )
        _, err = process.communicate(timeout=20)
    assert (process.returncode, err) == (
        1,
        b"the output cannot be written: No space left on device\n",
    )


def test_an_interrupt_ends_quietly() -> None:
    ours, theirs = pty.openpty()
    process = spawn(
        ["operator", "unseal"], "http://127.0.0.1:1",
        stdin=theirs, stdout=subprocess.PIPE, stderr=theirs, start_new_session=True,
    )  # fmt: skip
    read_until(ours, b"(will be hidden): ")
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=20)
    assert (process.returncode, out) == (130, b"")
    os.write(theirs, b"end")
    assert read_until(ours, b"end").strip() == b"end"
    os.close(ours)
    os.close(theirs)


def test_closed_streams_are_no_reason_for_a_traceback() -> None:
    command = f"{shlex.join([*PROGRAM, 'login'])} <&- >&-"
    done = subprocess.run(["/bin/sh", "-c", command], stderr=subprocess.PIPE, check=False)  # noqa: S603 our own program
    assert (done.returncode, b"Token is needed" in done.stderr) == (1, True)


def test_a_share_is_typed_without_echo(fresh_server: Any) -> None:
    ours, theirs = pty.openpty()
    process = spawn(
        ["operator", "unseal", "-field=progress"], fresh_server.address,
        stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True,
    )  # fmt: skip
    os.close(theirs)
    seen = read_until(ours, b"(will be hidden): ")
    os.write(ours, b"hunter2-hunter2\n")
    seen += read_until(ours, b"1")
    assert process.wait(timeout=20) == 0
    os.close(ours)
    assert b"hunter2" not in seen
    assert {"key": "hunter2-hunter2"} in [ask["body"] for ask in fresh_server.vault.requests]


def read_until(descriptor: int, ending: bytes) -> bytes:
    """What a terminal shows, up to `ending`."""
    seen = b""
    while ending not in seen:
        seen += os.read(descriptor, 1024)
    return seen
