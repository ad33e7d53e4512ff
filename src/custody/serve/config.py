"""Reads configuration files and the environment: the only reader of either on the server.

Vault's keys that mean nothing here are named in a warning; a key that nobody knows is an error
with the nearest known one, since a mistyped key in a secrets manager is a security setting that
silently does not apply.
"""

import ipaddress
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Final

from custody.audit.file import check_outside
from custody.audit.kinds import KINDS
from custody.base.duration import parse_seconds
from custody.base.errors import BadRequest
from custody.base.hcl import HCLError, Item, Object, Value, parse, plain
from custody.base.log import LEVELS
from custody.serve.known import IGNORED, IGNORED_LISTENER, IGNORED_STORAGE, REFUSED
from custody.serve.settings import TLS, AuditDevice, Listener, Settings

MAX_WORKERS: Final = 32
DEFAULT_WORKERS: Final = 8
DEFAULT_PORT: Final = 8200
_INHERITED: Final = ("PATH", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR", "PYTHONPATH",
                     "LD_LIBRARY_PATH", "SSL_CERT_FILE", "SSL_CERT_DIR")  # fmt: skip
_TOP: Final = (
    "api_addr", "audit", "audit_fsync", "cluster_name", "default_lease_ttl", "disable_mlock",
    "listener",
    "log_format", "log_level", "max_lease_ttl", "shutdown_timeout", "storage", "workers",
)  # fmt: skip
_STORAGE: Final = ("path", "low_water_bytes")
_LISTENER: Final = (
    "address", "http_read_header_timeout", "tls_cert_file", "tls_disable",
    "tls_key_file", "tls_min_version",
)  # fmt: skip
_AUDIT: Final = ("description", "local", "options")
_USAGE: Final = "usage: custody server -config=FILE [-config=FILE …]"


class BadConfiguration(Exception):
    """The configuration cannot be used; the text says why and where."""


def load(argv: Sequence[str]) -> tuple[Settings, list[str]]:
    """The settings that the command line's files hold, and warnings. Raises BadConfiguration."""
    paths = _paths(argv)
    if not paths:
        raise BadConfiguration(_USAGE)
    items: list[tuple[Path, Item]] = []
    for path in paths:
        items += [(path, item) for item in _parse(path).items]
    return _Reader(items).settings()


def child_environment() -> dict[str, str]:
    """What a process of the node inherits of the environment: where things are, no values."""
    return {name: os.environ[name] for name in _INHERITED if name in os.environ}


def _paths(argv: Sequence[str]) -> list[Path]:
    """The files that `-config=…` names; of a directory, its .hcl and .json files in order."""
    paths: list[Path] = []
    words = iter(argv)
    for word in words:
        name, equals, value = word.partition("=")
        if name not in ("-config", "--config"):
            raise BadConfiguration(f"unknown argument {word}\n{_USAGE}")
        path = Path(value if equals else next(words, ""))
        if path.is_dir():
            found = sorted(one for one in path.iterdir() if one.suffix in (".hcl", ".json"))
            if not found:
                raise BadConfiguration(f"{path}: no .hcl or .json file in this directory")
            paths += found
        else:
            paths.append(path)
    return paths


def _parse(path: Path) -> Object:
    try:
        return parse(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadConfiguration(f"cannot read {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise BadConfiguration(f"{path}: not UTF-8") from error
    except HCLError as error:
        raise BadConfiguration(f"{path}: {error}") from error


@dataclass(frozen=True, slots=True)
class _Block:
    """A block, and the file that it stands in."""

    path: Path
    item: Item

    @property
    def labels(self) -> tuple[str, ...]:
        """Its names."""
        return self.item.labels

    @property
    def at(self) -> str:
        """Where it begins, for messages."""
        return f"{self.path}:{self.item.line}"


class _Reader:
    """Turns items into settings and remembers what to warn about."""

    def __init__(self, items: Sequence[tuple[Path, Item]]) -> None:
        self._items = items
        self._tree = Object(tuple(item for _, item in items))
        self._warnings: list[str] = []

    def settings(self) -> tuple[Settings, list[str]]:
        """The settings, and warnings. Raises BadConfiguration."""
        for path, item in self._items:
            self._check(item, _TOP, IGNORED, f"{path}:{item.line}")
        storage = self._storage()
        listeners = [self._listener(block) for block in self._blocks("listener", 1)]
        if not listeners:
            raise BadConfiguration('no listener: add listener "tcp" { address = "127.0.0.1:8200" }')
        settings = Settings(
            data_path=_text(storage, "path"),
            low_water=_number(storage, "low_water_bytes", 64 * 1024 * 1024, minimum=0),
            listeners=listeners,
            audit=self._audit(),
            workers=_number(self._tree, "workers", _default_workers(), 1, MAX_WORKERS),
            api_addr=_text(self._tree, "api_addr"),
            cluster_name=_text(self._tree, "cluster_name"),
            log_level=_choice(self._tree, "log_level", "info", LEVELS),
            log_format=_choice(self._tree, "log_format", "standard", ("standard", "json")),
            default_lease_ttl=_seconds(self._tree, "default_lease_ttl", "768h"),
            max_lease_ttl=_seconds(self._tree, "max_lease_ttl", "768h"),
            drain=float(_seconds(self._tree, "shutdown_timeout", "5s")),
        )
        _check_whole(settings)
        return settings, self._warnings

    def _check(self, item: Item, known: Sequence[str], ignored: frozenset[str], at: str) -> None:
        """Raises BadConfiguration for a key that is not known; warns of one without meaning."""
        key = item.key
        if key in REFUSED:
            raise BadConfiguration(f"{at}: {key}: {REFUSED[key]}")
        if key in known:
            return
        if key not in ignored:
            near = get_close_matches(key, [*known, *ignored], n=1)
            hint = f'; did you mean "{near[0]}"?' if near else ""
            raise BadConfiguration(f'{at}: unknown key "{key}"{hint}')
        self._warnings.append(f'{at}: "{key}" has no meaning here and is ignored')

    def _fields(
        self, block: _Block, known: Sequence[str], ignored: frozenset[str] = frozenset()
    ) -> Object:
        """The fields of a block, every key checked. Raises BadConfiguration."""
        where = " ".join((block.item.key, *block.labels))
        value = block.item.value
        if not isinstance(value, Object):
            raise BadConfiguration(f"{block.at}: {where} is not a block")
        for item in value.items:
            self._check(item, known, ignored, f"{block.path}:{item.line}, {where}")
        return value

    def _blocks(self, key: str, labels: int) -> list[_Block]:
        """The blocks of `key`. Raises BadConfiguration for one that is empty and unnamed."""
        blocks = []
        for path, item in self._items:
            if item.key != key:
                continue
            found = [_Block(path, one) for one in Object((item,)).blocks(key, labels)]
            if not found:
                raise BadConfiguration(
                    f"{path}:{item.line}: {key} needs {labels} name(s) and a body"
                )
            blocks += found
        return blocks

    def _storage(self) -> Object:
        blocks = self._blocks("storage", 1)
        if len(blocks) != 1:
            raise BadConfiguration(
                'exactly one storage block is needed: storage "lmdb" { path = "…" }'
            )
        block = blocks[0]
        if block.labels != ("lmdb",):
            kind = " ".join(block.labels) or "none"
            raise BadConfiguration(f"{block.at}: unknown storage {kind}; this release has lmdb")
        fields = self._fields(block, _STORAGE, IGNORED_STORAGE)
        if not _text(fields, "path"):
            raise BadConfiguration(f"{block.at}: storage lmdb needs a path")
        return fields

    def _listener(self, block: _Block) -> Listener:
        if block.labels != ("tcp",):
            raise BadConfiguration(f"{block.at}: unknown listener; this release has tcp")
        fields = self._fields(block, _LISTENER, IGNORED_LISTENER)
        at = f"{block.at}, listener tcp"
        host, port = _address(_text(fields, "address", f"127.0.0.1:{DEFAULT_PORT}"), at)
        timeout = _seconds(fields, "http_read_header_timeout", "30s")
        return Listener(host, port, self._tls(fields, host, at), float(timeout))

    def _tls(self, fields: Object, host: str, at: str) -> TLS | None:
        cert, key = _text(fields, "tls_cert_file"), _text(fields, "tls_key_file")
        if _flag(fields, "tls_disable"):
            if cert or key:
                self._warnings.append(f"{at}: tls_disable is set, so its certificate is not used")
            return None
        if not cert and not key and _is_loopback(host):
            self._warnings.append(f"{at}: plain HTTP, since the address is loopback")
            return None
        if not cert or not key:
            raise BadConfiguration(
                f"{at}: tls_cert_file and tls_key_file are needed"
                " (or tls_disable = true, if plain HTTP is what you want)"
            )
        for file in (cert, key):
            if not os.access(file, os.R_OK):
                raise BadConfiguration(f"{at}: cannot read {file}")
        return TLS(cert, key, _choice(fields, "tls_min_version", "tls12", ("tls12", "tls13")))

    def _audit(self) -> list[AuditDevice]:
        fsync = _choice(self._tree, "audit_fsync", "", ("", "none", "interval", "always"))
        devices = [self._device(block, fsync) for block in self._blocks("audit", 2)]
        paths = [device.path for device in devices]
        for path in paths:
            if paths.count(path) > 1:
                raise BadConfiguration(f'audit "{path}" is declared twice')
        return devices

    def _device(self, block: _Block, fsync: str) -> AuditDevice:
        at = block.at
        if len(block.labels) != 2:  # noqa: PLR2004 - kind and name
            raise BadConfiguration(f'{at}: an audit device is written audit "file" "name" {{ … }}')
        kind, path = block.labels
        if kind not in KINDS:
            known = ", ".join(KINDS)
            raise BadConfiguration(f'{at}: unknown audit device "{kind}"; this release has {known}')
        fields = self._fields(block, _AUDIT)
        item = fields.get("options")
        options = _options(item.value, at) if item is not None else {}
        if fsync:
            options.setdefault("fsync", fsync)
        try:
            KINDS[kind].check(options)
        except BadRequest as error:
            raise BadConfiguration(f'{at}, audit "{path}": {error.messages[0]}') from error
        return AuditDevice(kind, path, _text(fields, "description"), options)


def _check_whole(settings: Settings) -> None:
    if settings.default_lease_ttl > settings.max_lease_ttl:
        raise BadConfiguration("default_lease_ttl is longer than max_lease_ttl")
    addresses = [listener.address for listener in settings.listeners if listener.port]
    if len(set(addresses)) != len(addresses):
        raise BadConfiguration("two listeners have the same address")
    for device in settings.audit:
        try:
            check_outside(device.options, settings.data_path)
        except BadRequest as error:
            raise BadConfiguration(f'audit "{device.path}": {error.messages[0]}') from error


def _default_workers() -> int:
    return min(DEFAULT_WORKERS, len(os.sched_getaffinity(0)))


def _address(text: str, at: str) -> tuple[str, int]:
    """Host and port of `host:port`, `[v6]:port`, `:port` or `host`. Raises BadConfiguration."""
    host, colon, port = text.rpartition(":")
    if not colon or port.endswith("]"):
        host, port = text, str(DEFAULT_PORT)
    host = host.removeprefix("[").removesuffix("]") or "0.0.0.0"  # noqa: S104 - asked for by ":port"
    if not port.isascii() or not port.isdigit() or int(port) >= 1 << 16:
        raise BadConfiguration(f'{at}: "{text}" is not an address')
    return host, int(port)


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _scalar(fields: Object, key: str) -> object:
    """The last value of `key`; None where there is none. Raises BadConfiguration for a block."""
    item = fields.get(key)
    if item is None:
        return None
    if isinstance(item.value, Object | tuple):
        raise BadConfiguration(f"line {item.line}: {key} takes one value")
    return item.value


def _text(fields: Object, key: str, default: str = "") -> str:
    value = _scalar(fields, key)
    if value is None:
        return default
    if not isinstance(value, str):
        raise BadConfiguration(f"{key} takes a text, in quotes")
    return value


def _flag(fields: Object, key: str) -> bool:
    value = _scalar(fields, key)
    known = {None: False, True: True, False: False, "true": True, "false": False}
    known |= {"1": True, "0": False, "": False}
    if isinstance(value, float) or value not in known:
        raise BadConfiguration(f"{key} is true or false")
    return known[value]


def _number(fields: Object, key: str, default: int, minimum: int, maximum: int = 1 << 62) -> int:
    value = _scalar(fields, key)
    if value is None:
        return default
    if isinstance(value, str) and value.isascii() and value.isdigit():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not minimum <= value <= maximum:
        raise BadConfiguration(f"{key} is a number from {minimum} to {maximum}")
    return value


def _seconds(fields: Object, key: str, default: str) -> int:
    value = _scalar(fields, key)
    try:
        seconds = parse_seconds(default if value is None else value)
    except BadRequest as error:
        raise BadConfiguration(f"{key}: {error.messages[0]}") from error
    if seconds <= 0:
        raise BadConfiguration(f"{key} must be at least a second")
    return seconds


def _choice(
    fields: Object, key: str, default: str, known: Sequence[str] | Mapping[str, int]
) -> str:
    value = _text(fields, key, default).lower()
    if value not in known:
        raise BadConfiguration(f"{key} is one of {', '.join(filter(None, known))}")
    return value


def _options(value: Value, at: str) -> dict[str, str]:
    """The texts of an options block; true, 5 and "5" are all written by people."""
    read = plain(value)
    if isinstance(read, list) and len(read) == 1:
        read = read[0]
    if not isinstance(read, dict):
        raise BadConfiguration(f"{at}: options is a block of texts")
    return {str(key): _option(entry, f"{at}, {key}") for key, entry in read.items()}


def _option(value: object, at: str) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int | float):
        return str(value)
    raise BadConfiguration(f"{at}: an option is a text")
