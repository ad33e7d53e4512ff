"""The mount table: which engine answers below which path.

A mount is one row under its path, so routing is a few point reads, and a mount that was disabled or
moved is refused at its old path by the very next request. Its data lie under its id, which never
changes and is never used again. A built-in mount has a row only once it was tuned.
"""

from collections.abc import Mapping
from typing import Final

import msgspec

from custody.base.codec import decode, encode
from custody.base.errors import BadRequest
from custody.base.ids import Source, new_uuid
from custody.base.record import Record
from custody.base.store import Rows, Table, Transaction

MAX_MOUNT_PATH: Final = 400  # bytes
MAX_MOUNT_DEPTH: Final = 8  # segments
MAX_MOUNTS_PAGE: Final = 10_000
ID_SIZE: Final = 8
UPGRADING: Final = "upgrading"  # no engine answers until the job of that name is done
AUTH: Final = "auth/"  # where auth methods are mounted, and nothing else
RESERVED: Final = ("sys/", "cubbyhole/", "identity/", AUTH)


class Lockout(msgspec.Struct, frozen=True, kw_only=True):
    """When users of an auth mount are locked out; 0: as the system does. Durations in seconds."""

    threshold: int = 0
    duration: int = 0
    counter_reset: int = 0
    disable: bool = False


class MountConfig(Record, frozen=True, kw_only=True):
    """What may be tuned. A TTL of 0 means: the system's."""

    default_lease_ttl: int = 0  # seconds
    max_lease_ttl: int = 0
    force_no_cache: bool = False
    listing_visibility: str = ""
    audit_non_hmac_request_keys: tuple[str, ...] = ()
    audit_non_hmac_response_keys: tuple[str, ...] = ()
    passthrough_request_headers: tuple[str, ...] = ()
    allowed_response_headers: tuple[str, ...] = ()
    plugin_version: str = ""
    token_type: str = ""  # of auth mounts only; empty: default-service
    lockout: Lockout | None = None


class MountEntry(Record, frozen=True, kw_only=True):
    """One mounted engine."""

    id: bytes
    path: str  # with trailing slash
    kind: str
    engine: str = ""  # its name in the catalog where that is not the kind, or UPGRADING
    accessor: str
    uuid: str
    description: str = ""
    options: Mapping[str, str] = {}
    config: MountConfig = MountConfig()
    local: bool = False
    seal_wrap: bool = False
    created_ns: int = 0


def decode_mount(data: bytes) -> MountEntry:
    """The entry in a row of the table."""
    return decode(MountEntry, data)


def _builtin(number: int, path: str, kind: str, description: str) -> MountEntry:
    identifier = number.to_bytes(ID_SIZE, "big")
    prefix = "auth_token" if path.startswith("auth/") else kind
    return MountEntry(
        id=identifier,
        path=path,
        kind=kind,
        accessor=f"{prefix}_{identifier.hex()[-8:]}",
        uuid=f"00000000-0000-4000-8000-{number:012x}",
        description=description,
        config=MountConfig(passthrough_request_headers=("Accept",) if path == "sys/" else ()),
        local=path == "cubbyhole/",
        seal_wrap=path == "sys/",
    )


SYS: Final = _builtin(1, "sys/", "system", "control, policy and debugging")
TOKENS: Final = _builtin(2, "auth/token/", "token", "token based credentials")
CUBBYHOLE: Final = _builtin(3, "cubbyhole/", "cubbyhole", "per-token private secret storage")
BUILTIN: Final = {entry.path: entry for entry in (SYS, TOKENS, CUBBYHOLE)}


def resolve(rows: Rows, path: str) -> MountEntry | None:
    """The mount that `path` (no leading slash) falls into, or None; its last slash may be missing.

    Mounts never nest, so the first hit from the left is the only one.
    """
    end = path.find("/")
    for _ in range(MAX_MOUNT_DEPTH):
        if end < 0:
            return read(rows, path + "/") if path and not path.endswith("/") else None
        prefix = path[: end + 1]
        entry = rows.memo(Table.MOUNT, prefix.encode(), decode_mount) or BUILTIN.get(prefix)
        if entry is not None:
            return entry
        end = path.find("/", end + 1)
    return None


def read(rows: Rows, path: str) -> MountEntry | None:
    """The mount at exactly `path` (with trailing slash)."""
    return rows.memo(Table.MOUNT, path.encode(), decode_mount) or BUILTIN.get(path)


def entries(rows: Rows, prefix: str = "") -> list[MountEntry]:
    """All mounts whose path starts with `prefix`, built-in ones first."""
    stored = [
        decode_mount(value)
        for _, value in rows.scan(Table.MOUNT, prefix.encode(), limit=MAX_MOUNTS_PAGE)
    ]
    tuned = {entry.path: entry for entry in stored if entry.path in BUILTIN}
    first = [tuned.get(path, entry) for path, entry in BUILTIN.items() if path.startswith(prefix)]
    return first + [entry for entry in stored if entry.path not in tuned]


def normalise(path: str) -> str:
    """`path` as the table keeps it: no leading slash, one trailing. Raises BadRequest."""
    clean = path.strip("/") + "/"
    if clean == "/":
        raise BadRequest("mount path must be specified")
    if len(clean.encode()) > MAX_MOUNT_PATH:
        raise BadRequest(f"mount path is over {MAX_MOUNT_PATH} bytes")
    if clean.count("/") > MAX_MOUNT_DEPTH:
        raise BadRequest(f"mount path has more than {MAX_MOUNT_DEPTH} segments")
    if any(not character.isprintable() or character == "*" for character in clean):
        raise BadRequest("mount path contains characters that cannot be used")
    if not {"", ".", ".."}.isdisjoint(clean[:-1].split("/")):
        raise BadRequest("mount path contains a segment that no request can name")
    return clean


def enable(txn: Transaction, entry: MountEntry, *, auth: bool = False) -> None:
    """Add `entry`. Raises BadRequest where its path is reserved or in use.

    Auth methods (`auth`) are mounted below auth/ and nothing else is.
    """
    if entry.path.startswith(AUTH if auth else RESERVED) is not auth:
        raise BadRequest(f'cannot mount "{entry.path}"')
    taken = in_use(txn, entry.path)
    if taken is not None:
        raise BadRequest(f"path is already in use at {taken.removeprefix(AUTH)}")
    if len(txn.keys(Table.MOUNT, b"", limit=MAX_MOUNTS_PAGE)) >= MAX_MOUNTS_PAGE:
        raise BadRequest(f"more than {MAX_MOUNTS_PAGE} mounts are not supported")
    store(txn, entry)


def in_use(rows: Rows, path: str) -> str | None:
    """The mount at `path`, before or below it, or None: mounts never nest."""
    segments = path.split("/")[:-1]
    for depth in range(1, len(segments) + 1):
        prefix = "/".join(segments[:depth]) + "/"
        if read(rows, prefix) is not None:
            return prefix
    below = rows.keys(Table.MOUNT, path.encode(), limit=1)
    return below[0].decode() if below else None


def store(txn: Transaction, entry: MountEntry) -> None:
    """Write the entry under its path; the next request is decided by it."""
    txn.put(Table.MOUNT, entry.path.encode(), encode(entry))


def move(txn: Transaction, entry: MountEntry, path: str) -> None:
    """Give the mount another path. Its data stay where they are, under its id."""
    txn.delete(Table.MOUNT, entry.path.encode())
    store(txn, msgspec.structs.replace(entry, path=path))


def new_entry(source: Source, path: str, kind: str, now_ns: int) -> MountEntry:
    """A mount with fresh identifiers; the rest is for the caller to replace."""
    identifier = b"\x80" + source.random(ID_SIZE - 1)  # never one of the built-in ones
    return MountEntry(
        id=identifier,
        path=path,
        kind=kind,
        accessor=f"{'auth_' * path.startswith(AUTH)}{kind}_{source.random(4).hex()}",
        uuid=new_uuid(source),
        created_ns=now_ns,
    )
