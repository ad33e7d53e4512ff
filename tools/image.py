"""`make image`: builds the container image with buildah, and sees it serve as compose.yaml runs it.

    make image                            from the public image that deploy/Dockerfile names
    make image BASE=localhost/python      from another one with Python

It is run by runc: read-only, as the image's user, without capabilities, on a network of its own,
and spoken to by the image's own `custody`. One that does not keep what it was given over a stop and
a start is no image, nor is one that interprets what it should have compiled, keeps no audit records
in its volume, or shows a secret: the exit status is 1. Only root may run it.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tests.certificates import self_signed

from tools import compile as compiled

ROOT: Final = Path(__file__).resolve().parent.parent
NAME: Final = "custody"
PATIENCE: Final = 30.0  # seconds for a start or a stop
VALUE: Final = "what-nobody-else-may-read"
# What the modules named as arguments were loaded from, a line each.
_LOADED: Final = (
    "import importlib, sys\nfor name in sys.argv[1:]: print(importlib.import_module(name).__file__)"
)
_CAPABILITIES: Final = ("bounding", "effective", "inheritable", "permitted", "ambient")


class NotAnImage(Exception):
    """What the image does not do."""


def main() -> int:
    """Build, then run; the exit status."""
    base = os.environ.get("BASE", "")
    try:
        build(base)
        with mounted() as (root, config), tempfile.TemporaryDirectory() as directory:
            try_out(bundle(Path(directory), root, config))
    except subprocess.CalledProcessError as error:
        print(f"image: {error.cmd[0]} {error.cmd[1]} failed: {error.stderr or ''}", file=sys.stderr)
        return 1
    except NotAnImage as error:
        print(f"image: {error}", file=sys.stderr)
        return 1
    print(f"image: {NAME} is built; it started, served, stopped, and kept what it was given")
    return 0


def build(base: str) -> None:
    """The image, by deploy/Dockerfile. In docker's format: the other has no health check."""
    chosen = ["--build-arg", f"BASE={base}"] if base else []
    run("buildah", "build", "--quiet", "--format=docker", "--isolation=chroot", *chosen,
        "--file", str(ROOT / "deploy" / "Dockerfile"), "--tag", NAME, str(ROOT))  # fmt: skip


@contextmanager
def mounted() -> Iterator[tuple[Path, dict[str, Any]]]:
    """The image's files and its configuration."""
    container = run("buildah", "from", "--pull-never", f"localhost/{NAME}").strip()
    try:
        root = Path(run("buildah", "mount", container).strip())
        yield root, json.loads(run("buildah", "inspect", container))["Docker"]["config"]
    finally:
        run("buildah", "rm", container)


@dataclass(frozen=True, slots=True)
class Bundle:
    """What runc runs, and what is in the image's configuration beside it."""

    directory: Path
    volumes: Mapping[str, Path]  # by their place in the container
    health: list[str]
    signal: str

    @property
    def log(self) -> Path:
        """What the container says."""
        return self.directory / "log"

    @property
    def audit(self) -> Path:
        """The audit file, where deploy/custody.hcl has it."""
        return self.volumes["/var/log/custody"] / "audit.log"


def bundle(directory: Path, root: Path, config: Mapping[str, Any]) -> Bundle:
    """A directory with a container's configuration, and what is kept beside it.

    Raises NotAnImage where a volume would not belong to the image's user: an engine gives a new one
    to who owns the place in the image.
    """
    user, group = (int(number) for number in config["User"].split(":"))
    for place in config["Volumes"]:
        if (root / place.lstrip("/")).stat().st_uid != user:
            raise NotAnImage(f"{place} does not belong to its user {user}")
    run(*runc("spec", "--bundle", str(directory)))
    path = directory / "config.json"
    spec = json.loads(path.read_text())
    spec["root"] = {"path": str(root), "readonly": True}
    spec["hostname"] = NAME
    spec["process"] |= {
        "terminal": False,
        "user": {"uid": user, "gid": group},
        "args": [*config["Entrypoint"], *config["Cmd"]],
        "env": config["Env"],
        "capabilities": {name: [] for name in _CAPABILITIES},
        "noNewPrivileges": True,
        "rlimits": [],
    }
    volumes = {
        place: directory / f"volume-{number}" for number, place in enumerate(config["Volumes"])
    }
    tls = directory / "tls"
    for made in (*volumes.values(), tls):
        made.mkdir(mode=0o700)
    self_signed(tls)
    for made in (*volumes.values(), tls, *tls.iterdir()):
        os.chown(made, user, group)
    spec["mounts"] += [
        *(_bind(source, place, "rw") for place, source in volumes.items()),
        _bind(tls, "/etc/custody/tls", "ro"),
    ]
    path.write_text(json.dumps(spec))
    return Bundle(directory, volumes, config["Healthcheck"]["Test"][1:], config["StopSignal"])


def _bind(source: Path, place: str, mode: str) -> dict[str, Any]:
    return {"destination": place, "source": str(source), "type": "bind", "options": ["rbind", mode]}


def try_out(image: Bundle) -> None:
    """Start it twice, with a stop between. Raises NotAnImage."""
    image.directory.chmod(0o711)  # its user passes through
    with running(image):
        is_compiled()
        made = json.loads(asked("operator", "init", "-key-shares=1", "-key-threshold=1",
                                "-format=json"))  # fmt: skip
        share, token = made["unseal_keys_b64"][0], made["root_token"]
        asked("operator", "unseal", share)
        asked("secrets", "enable", "-version=2", "-path=secret", "kv", token=token)
        asked("kv", "put", "secret/app", f"password={VALUE}", token=token)
    with running(image):
        asked("operator", "unseal", share)
        found = asked("kv", "get", "-field=password", "secret/app", token=token)
        if found.strip() != VALUE:
            raise NotAnImage("what was written before the stop is not there after it")
        shows_none(image, (share, token, VALUE))


def is_compiled() -> None:
    """The container's Python takes the compiled modules. Raises NotAnImage."""
    modules = [f"custody.{name.replace('/', '.')}" for name in compiled.names()]
    loaded = run(*runc("exec", container_name(), "python3", "-c", _LOADED, *modules)).splitlines()
    interpreted = [path for path in loaded if not path.endswith(".so")]
    if interpreted:
        raise NotAnImage(f"it interprets {interpreted}")


def shows_none(image: Bundle, secrets: Iterable[str]) -> None:
    """What was asked is on record, and no secret is on it, in the log or with a process.

    Raises NotAnImage.
    """
    shown = {"its audit file": image.audit.read_text(), "its log": image.log.read_text()}
    if '"secret/data/app"' not in shown["its audit file"]:
        raise NotAnImage("the audit file in its volume does not say what was read")
    for process in json.loads(run(*runc("ps", "--format=json", container_name()))):
        for name in ("cmdline", "environ"):
            path = Path("/proc", str(process), name)
            shown[str(path)] = path.read_text(errors="replace")
    places = [place for place, text in shown.items() if any(one in text for one in secrets)]
    if places:
        raise NotAnImage(f"there are secrets in {places}")


@contextmanager
def running(image: Bundle) -> Iterator[None]:
    """The container, from healthy to its stop with status 0. Raises NotAnImage."""
    name = container_name()
    with image.log.open("w") as log:
        container = subprocess.Popen(
            runc("run", "--bundle", str(image.directory), name),
            stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
        )  # fmt: skip
    try:
        wait_until_healthy(image, container)
        yield
        run(*runc("kill", name, image.signal))
        if container.wait(PATIENCE) != 0:
            raise NotAnImage(
                f"it ended with status {container.returncode}: {image.log.read_text()}"
            )
    finally:
        if container.poll() is None:
            subprocess.run(runc("kill", name, "KILL"), check=False, capture_output=True)
            container.wait(PATIENCE)


def wait_until_healthy(image: Bundle, container: "subprocess.Popen[bytes]") -> None:
    """Ask as the image says that it should be asked. Raises NotAnImage."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline and container.poll() is None:
        asking = runc("exec", container_name(), *image.health)
        if subprocess.run(asking, check=False, capture_output=True).returncode == 0:
            return
        time.sleep(0.2)
    raise NotAnImage(f"it did not become healthy: {image.log.read_text()}")


def runc(*words: str) -> list[str]:
    """The command line of the runtime."""
    return ["runc", *words]


def container_name() -> str:
    """One that no other run has."""
    return f"custody-image-{os.getpid()}"


def asked(*words: str, token: str = "") -> str:
    """What the image's own `custody` says within the container. Its keys end with this run."""
    settings = {"CUSTODY_SKIP_VERIFY": "true", "CUSTODY_TOKEN": token}
    env = [word for name, text in settings.items() for word in ("--env", f"{name}={text}")]
    return run(*runc("exec", *env, container_name(), NAME, *words))


def run(*words: str) -> str:
    """What a program prints. Raises CalledProcessError with what it complained of."""
    done = subprocess.run(words, check=True, text=True, stdin=subprocess.DEVNULL,
                          capture_output=True)  # fmt: skip
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
