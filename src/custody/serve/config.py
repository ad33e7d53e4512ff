"""Reads configuration files and the environment: the only reader of either on the server.

Later files, and later keys of one, win over earlier ones; the environment wins over the files, and
the command line over all. Blocks of several files stand beside each other.
"""

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from custody.audit.file import check_alone, check_outside
from custody.audit.kinds import KINDS
from custody.base.errors import BadRequest
from custody.base.hcl import HCLError, Item, Object, parse
from custody.base.log import LEVELS
from custody.serve.fields import BadConfiguration, Faults, Fields, Known, Placed
from custody.serve.keys import AUDIT, STORAGE, TOP
from custody.serve.known import IGNORED, IGNORED_STORAGE
from custody.serve.listener_config import read_listener
from custody.serve.seal_config import read_seals
from custody.serve.settings import AuditDevice, Listener, SealStanza, Settings

__all__ = ["BadConfiguration", "child_environment", "examine", "load", "service_manager"]

MAX_WORKERS: Final = 32
DEFAULT_WORKERS: Final = 8
PREFIXES: Final = ("CUSTODY_", "BAO_", "VAULT_")
_INHERITED: Final = ("PATH", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR", "PYTHONPATH",
                     "LD_LIBRARY_PATH", "SSL_CERT_FILE", "SSL_CERT_DIR")  # fmt: skip
_USAGE: Final = (
    "usage: custody server -config=FILE [-config=FILE …] [-log-level=LEVEL] [-log-format=FORMAT]"
)
_NO_DEV: Final = (
    "there is no -dev: a server for trying things out is `make dev` in a clone of the repository,"
    " or one whose configuration has tls_disable = true and a listener on 127.0.0.1"
)
_CONFIG: Final = "config"
_FLAGS: Final = {"log-level": "log_level", "log-format": "log_format"}
# Which variables stand in for which key, the first that is set.
VARIABLES: Final[Mapping[str, Sequence[str]]] = {
    "api_addr": ("API_ADDR", "REDIRECT_ADDR", "ADVERTISE_ADDR"),
    "log_format": ("LOG_FORMAT",),
    "log_level": ("LOG_LEVEL",),
}


def load(
    argv: Sequence[str], environment: Mapping[str, str] | None = None
) -> tuple[Settings, list[str]]:
    """The settings that files, environment and command line hold, and warnings.

    `environment` is this process's unless given. Raises BadConfiguration, with all that is wrong.
    """
    settings, warnings, wrong = examine(argv, environment)
    if wrong:
        raise BadConfiguration(*wrong)
    return settings, warnings


def examine(
    argv: Sequence[str], environment: Mapping[str, str] | None = None
) -> tuple[Settings, list[str], list[str]]:
    """As `load`, but answers all that is wrong beside the settings, which are then to be looked at
    and not used. Raises BadConfiguration where no file is named."""
    given = _arguments(argv)
    if not given.paths:
        raise BadConfiguration(_USAGE)
    items, faults, whole = list[Placed](), Faults(), True
    for path in given.paths:
        parsed = faults.of(partial(_parse, path), None)
        whole = whole and parsed is not None
        items += [Placed(path, item) for item in parsed.items] if parsed else []
    known = os.environ if environment is None else environment
    items += _from_environment(known)
    items += given.items
    settings, warnings = _Reader(Fields(items, faults), known, whole=whole).settings()
    return settings, warnings, faults.found


def service_manager() -> str:
    """Where the service manager wants to hear how the node is; empty where there is none."""
    return os.environ.get("NOTIFY_SOCKET", "")


def child_environment() -> dict[str, str]:
    """What a process of the node inherits of the environment: where things are, no values."""
    return {name: os.environ[name] for name in _INHERITED if name in os.environ}


@dataclass(frozen=True, slots=True)
class _Given:
    """What the command line says: files, and values that win over theirs."""

    paths: list[Path]
    items: list[Placed]


def _arguments(argv: Sequence[str]) -> _Given:
    given = _Given([], [])
    words = iter(argv)
    for word in words:
        name, equals, value = word.partition("=")
        name = name.removeprefix("-").removeprefix("-")
        if name == "dev" or name.startswith("dev-"):
            raise BadConfiguration(f"{_NO_DEV}\n{_USAGE}")
        if not word.startswith("-") or name not in (_CONFIG, *_FLAGS):
            raise BadConfiguration(f"unknown argument {word}\n{_USAGE}")
        text = value if equals else next(words, "")
        if name == _CONFIG:
            given.paths.extend(_files(Path(text)))
        else:
            given.items.append(_placed(f"-{name}", _FLAGS[name], text))
    return given


def _files(path: Path) -> list[Path]:
    """The file, or the .hcl and .json files of a directory in order. Raises BadConfiguration."""
    if not path.is_dir():
        return [path]
    found = sorted(one for one in path.iterdir() if one.suffix in (".hcl", ".json"))
    if not found:
        raise BadConfiguration(f"{path}: no .hcl or .json file in this directory")
    return found


def _from_environment(environment: Mapping[str, str]) -> list[Placed]:
    items = []
    for key, names in VARIABLES.items():
        variables = [prefix + name for prefix in PREFIXES for name in names]
        found = next((one for one in variables if environment.get(one)), None)
        if found is not None:
            items.append(_placed(found, key, environment[found]))
    return items


def _placed(place: str, key: str, text: str) -> Placed:
    return Placed(Path(place), Item(key, (), text, line=0, column=0))


def _parse(path: Path) -> Object:
    try:
        return parse(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadConfiguration(f"cannot read {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise BadConfiguration(f"{path}: not UTF-8") from error
    except HCLError as error:
        raise BadConfiguration(f"{path}: {error}") from error


class _Reader:
    """Turns the items of all files into settings and remembers what to warn about.

    What is not there is a mistake only if all files were read `whole`.
    """

    def __init__(self, fields: Fields, environment: Mapping[str, str], *, whole: bool) -> None:
        self._fields = fields
        self._faults = fields.faults
        self._environment = environment
        self._whole = whole
        self._warnings: list[str] = []

    def settings(self) -> tuple[Settings, list[str]]:
        """The settings, and warnings; of no use where there are faults."""
        fields = self._fields
        self._warnings += self._faults.of(lambda: fields.check(Known(TOP, IGNORED)), [])
        storage = self._faults.of(self._storage, Fields((), self._faults))
        settings = Settings(
            data_path=storage.text("path"),
            low_water=storage.number(
                "low_water_bytes", int(STORAGE["low_water_bytes"].default), minimum=0
            ),
            listeners=self._listeners(),
            audit=self._audit(),
            seals=self._faults.of(self._seals, []),
            workers=fields.number("workers", _default_workers(), 1, MAX_WORKERS),
            pin_workers=fields.flag("pin_workers", default=True),
            api_addr=fields.text("api_addr"),
            cluster_name=fields.text("cluster_name"),
            log_level=fields.choice("log_level", TOP["log_level"].default, LEVELS),
            log_format=fields.choice("log_format", TOP["log_format"].default, ("standard", "json")),
            default_lease_ttl=fields.seconds("default_lease_ttl", TOP["default_lease_ttl"].default),
            max_lease_ttl=fields.seconds("max_lease_ttl", TOP["max_lease_ttl"].default),
            drain=float(fields.seconds("shutdown_timeout", TOP["shutdown_timeout"].default)),
        )
        self._check_whole(settings)
        return settings, self._warnings

    def _storage(self) -> Fields:
        blocks = self._fields.blocks("storage", 1)
        if not blocks and not self._whole:
            return Fields((), self._faults)
        if len(blocks) != 1:
            raise BadConfiguration(
                'exactly one storage block is needed: storage "lmdb" { path = "…" }'
            )
        block = blocks[0]
        if block.labels != ("lmdb",):
            kind = " ".join(block.labels) or "none"
            raise BadConfiguration(f"{block.at}: unknown storage {kind}; this release has lmdb")
        fields = Fields.of(block, self._faults)
        known = self._faults.of(lambda: fields.check(Known(STORAGE, IGNORED_STORAGE)), None)
        self._warnings += known or ()
        if known is not None and not fields.text("path"):
            raise BadConfiguration(f"{block.at}: storage lmdb needs a path")
        return fields

    def _listeners(self) -> list[Listener]:
        listeners = []
        blocks = self._fields.blocks("listener", 1)
        for block in blocks:
            found = self._faults.of(partial(read_listener, block, self._faults), None)
            if found is not None:
                listeners.append(found[0])
                self._warnings += found[1]
        if not blocks and self._whole:
            self._faults.note('no listener: add listener "tcp" { address = "127.0.0.1:8200" }')
        return listeners

    def _seals(self) -> list[SealStanza]:
        blocks = self._fields.blocks("seal", 1)
        seals, warnings = read_seals(blocks, self._environment, PREFIXES, self._faults)
        self._warnings += warnings
        return seals

    def _audit(self) -> list[AuditDevice]:
        fsync = self._fields.choice("audit_fsync", "", ("", "none", "interval", "always"))
        blocks = self._fields.blocks("audit", 2)
        read = (self._faults.of(partial(self._device, block, fsync), None) for block in blocks)
        devices = [device for device in read if device is not None]
        for path, count in Counter(device.path for device in devices).items():
            if count > 1:
                self._faults.note(f'audit "{path}" is declared twice')
        return devices

    def _device(self, block: Placed, fsync: str) -> AuditDevice:
        at = block.at
        if len(block.labels) != 2:  # noqa: PLR2004 - kind and name
            raise BadConfiguration(f'{at}: an audit device is written audit "file" "name" {{ … }}')
        kind, path = block.labels
        if kind not in KINDS:
            known = ", ".join(KINDS)
            raise BadConfiguration(f'{at}: unknown audit device "{kind}"; this release has {known}')
        fields = Fields.of(block, self._faults)
        self._warnings += fields.check(Known(AUDIT))
        options = fields.options("options")
        if fsync:
            options.setdefault("fsync", fsync)
        try:
            KINDS[kind].check(options)
        except BadRequest as error:
            raise BadConfiguration(f'{at}, audit "{path}": {error.messages[0]}') from error
        return AuditDevice(kind, path, fields.text("description"), options)

    def _check_whole(self, settings: Settings) -> None:
        if settings.default_lease_ttl > settings.max_lease_ttl:
            text = "default_lease_ttl is longer than max_lease_ttl"
            self._faults.note(str(self._fields.error("max_lease_ttl", text)))
        addresses = [one.address for one in settings.listeners if one.port or one.file]
        if len(set(addresses)) != len(addresses):
            self._faults.note("two listeners have the same address")
        others = dict[str, Mapping[str, str]]()
        for device in settings.audit:
            try:
                check_outside(device.options, settings.data_path)
                check_alone(device.options, others)
                others[device.path] = device.options
            except BadRequest as error:
                self._faults.note(f'audit "{device.path}": {error.messages[0]}')


def _default_workers() -> int:
    return min(DEFAULT_WORKERS, len(os.sched_getaffinity(0)))
