"""The container file: what a builder would say of it, as far as that shows without one."""

import fnmatch
import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from mkdocs.utils.yaml import yaml_load

from custody.base.duration import parse_seconds
from custody.cli.flags import parse
from custody.cli.tree import COMMANDS
from custody.serve.keys import TOP

ROOT = Path(__file__).parents[3]
DOCKERFILE = ROOT / "deploy" / "Dockerfile"
KNOWN = {
    "ARG", "CMD", "COPY", "ENTRYPOINT", "ENV", "EXPOSE", "FROM", "HEALTHCHECK", "RUN",
    "STOPSIGNAL", "USER", "VOLUME",
}  # fmt: skip


def instructions() -> list[tuple[str, str]]:
    """Each instruction with its words, continued lines joined, comments left out."""
    lines = [line for line in DOCKERFILE.read_text().splitlines() if not line.startswith("#")]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines))
    pairs = [line.partition(" ") for line in joined.splitlines() if line.strip()]
    return [(name, words.strip()) for name, _, words in pairs]


def last_stage() -> list[tuple[str, str]]:
    found = instructions()
    start = max(place for place, (name, _) in enumerate(found) if name == "FROM")
    return found[start:]


def only(name: str, holding: str = "") -> str:
    (words,) = [words for found, words in last_stage() if found == name and holding in words]
    return words


def pinned(name: str) -> dict[str, str]:
    """The version of each package in one of the locked lists."""
    text = (ROOT / "requirements" / f"{name}.txt").read_text()
    return dict(re.findall(r"^([\w.-]+)==(\S+)", text, re.MULTILINE))


def test_every_instruction_is_one_that_we_mean() -> None:
    assert {name for name, _ in instructions()} <= KNOWN


def test_it_runs_as_another_user_than_root_by_number() -> None:
    user, group = only("USER").split(":")
    assert (int(user), int(group)) > (0, 0)
    names = [name for name, _ in last_stage()]
    assert "RUN" not in names[names.index("USER") :]  # nothing is installed as that user
    made = re.findall(r"install -d -m \d+ -o (\d+) -g (\d+) ([^&]*)", only("RUN", "install -d"))
    assert {(owner, members) for owner, members, _ in made} == {(user, group)}
    places = [place for _, _, names in made for place in names.split()]
    assert places == [*json.loads(only("VOLUME")), "/run/custody"]


def test_what_is_copied_is_there_and_reaches_the_builder() -> None:
    ignored = (DOCKERFILE.with_name("Dockerfile.dockerignore")).read_text().splitlines()
    allowed = [line.removeprefix("!") for line in ignored if line.startswith("!")]
    assert "*" in ignored
    for name, words in instructions():
        if name == "COPY" and not words.startswith("--from="):
            *sources, _target = words.split()
            for source in sources:
                assert (ROOT / source).exists()
                assert any(fnmatch.fnmatch(source, pattern) for pattern in allowed)


def test_only_what_is_locked_is_installed() -> None:
    for line in (words for name, words in instructions() if name == "RUN"):
        for command in line.split("&&"):
            if "pip install" in command:
                assert "--require-hashes" in command or "--no-deps --no-index" in command
    assert not [words for name, words in instructions() if name == "ADD"]


def test_it_is_compiled_in_a_stage_that_stays_behind() -> None:
    runs = [words for name, words in instructions() if name == "RUN"]
    (wheel,) = [words for words in runs if "pip wheel" in words]
    assert wheel.startswith("CUSTODY_COMPILE=1 ")
    assert any("gcc" in words for words in runs)
    assert not any("gcc" in words for name, words in last_stage() if name == "RUN")
    ignored = (DOCKERFILE.with_name("Dockerfile.dockerignore")).read_text().splitlines()
    assert "**/*.so" in ignored  # nothing that was compiled elsewhere


@pytest.mark.parametrize("name", ["ENTRYPOINT", "CMD"])
def test_the_server_is_started_without_a_shell(name: str) -> None:
    assert isinstance(json.loads(only(name)), list)


def test_the_health_check_is_a_command_that_there_is() -> None:
    words = json.loads(only("HEALTHCHECK").partition(" CMD ")[2])
    assert words[:2] == ["custody", "read"]
    command = COMMANDS["read"]
    options, arguments = parse((*command.flags, *command.shared), words[2:])
    assert options.text("format") == "raw"
    assert arguments[0] == "sys/health"


def test_nothing_secret_is_in_the_image() -> None:
    words = " ".join(words for name, words in instructions() if name in ("ENV", "ARG")).lower()
    assert not re.search(r"token|secret|password|key", words)


def test_the_composition_has_a_read_only_root_and_no_capabilities() -> None:
    composed = yaml_load((ROOT / "deploy" / "compose.yaml").read_text())
    service = composed["services"]["custody"]
    closed = {
        "cap_drop": ["ALL"],
        "mem_swappiness": 0,
        "read_only": True,
        "security_opt": ["no-new-privileges:true"],
        "user": only("USER"),
    }
    assert {name: service.get(name) for name in closed} == closed
    assert service["ulimits"]["core"] == 0
    assert not service.keys() & {"privileged", "cap_add", "environment", "env_file", "command"}


def test_the_composition_keeps_what_the_image_writes() -> None:
    composed = yaml_load((ROOT / "deploy" / "compose.yaml").read_text())
    mounts = [words.split(":") for words in composed["services"]["custody"]["volumes"]]
    kept = {words[1] for words in mounts if words[0] in composed["volumes"]}
    assert kept == set(json.loads(only("VOLUME")))


def test_the_composition_gives_a_stop_more_time_than_the_server_takes() -> None:
    service = yaml_load((ROOT / "deploy" / "compose.yaml").read_text())["services"]["custody"]
    assert parse_seconds(service["stop_grace_period"]) > parse_seconds(
        TOP["shutdown_timeout"].default
    )


def test_the_base_is_one_argument_with_a_full_name_for_both_stages() -> None:
    found = instructions()
    (base,) = [words for name, words in found if name == "ARG"]
    assert re.fullmatch(r"BASE=docker\.io/library/python:3\.\d+-slim-\w+", base)
    assert [words for name, words in found if name == "FROM"] == ["${BASE} AS build", "${BASE}"]


def test_pythons_own_library_is_compiled_since_a_read_only_root_can_keep_nothing() -> None:
    (line,) = [words for name, words in last_stage() if name == "RUN" and "compileall" in words]
    module = re.search(r"python3 -c '(.*)'\)", line)
    assert module is not None
    done = subprocess.run(  # noqa: S603 our own line
        [sys.executable, "-c", module[1]], capture_output=True, text=True, check=True
    )
    assert Path(done.stdout.strip(), "json").is_dir()


def test_nothing_that_installs_packages_is_left_in_the_image() -> None:
    runs = [words for name, words in instructions() if name == "RUN"]
    assert any("python3 -m venv --without-pip /opt/custody" in words for words in runs)
    assert only("COPY", "--from=build").split()[1:] == ["/opt/custody", "/opt/custody"]


def test_what_compiles_is_locked_as_it_is_for_work_on_it() -> None:
    compiles, works = pinned("compile"), pinned("dev")
    assert {"mypy", "setuptools"} <= compiles.keys()
    assert {name: works[name] for name in compiles} == compiles


def test_what_does_not_change_with_the_program_is_made_before_it_is_copied() -> None:
    """So that a new build leaves those layers as they are."""
    names = [name for name, _ in last_stage()]
    program = last_stage().index(("COPY", only("COPY", "--from=build")))
    assert "RUN" not in names[program:]


def test_every_shell_line_is_one_that_a_shell_reads() -> None:
    for line in (words for name, words in instructions() if name == "RUN"):
        done = subprocess.run(  # noqa: S603 our own line, not run
            ["/bin/sh", "-n", "-c", line], check=False
        )
        assert done.returncode == 0, shlex.quote(line)
