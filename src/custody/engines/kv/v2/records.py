"""Bytes on disk of KV version 2. What stands here cannot change, only be added to.

Below the mount, by first byte:
  D | …                              entries of directories (`custody.engines.kv.entries`)
  M | object id (16)                 metadata of one secret
  V | object id (16) | version (8)   payload of one version: a JSON object, so its first byte is
                                     `{`; any other first byte is free for a later form
  C                                  configuration, written when the mount is enabled
Ids are random and never used again: a name used again is a new object.
"""

from enum import IntEnum
from typing import Any

import msgspec
from msgspec.structs import replace

from custody.base.codec import CorruptRecord, Record, decode, encode
from custody.base.errors import BadRequest
from custody.plugin.route import MIB
from custody.plugin.storage import Storage

METADATA, VERSION, CONFIG = b"M", b"V", b"C"

MAX_VERSIONS = 1024
"""The most that max_versions may be.

The states of all versions lie in one metadata row, which reads decode and writes rewrite (at most
20 KiB at this limit), and erasing a secret with all its versions and the directories that it
leaves empty is one transaction of well under 10,000 keys.
"""
DEFAULT_MAX_VERSIONS = 10

MAX_PAYLOAD = 1 * MIB  # bytes of JSON; a patch may not grow a secret beyond what a write may send

SECOND = 1_000_000_000  # nanoseconds


class Config(Record, frozen=True, kw_only=True, omit_defaults=True):
    """The mount's settings."""

    cas_required: bool = False
    metadata_cas_required: bool = False
    max_versions: int = 0  # 0: the default
    delete_version_after: int = 0  # seconds; 0: no limit, -1: disabled for every secret


class State(IntEnum):
    """What was done to a version. Never renumber."""

    LIVE = 0
    DELETED = 1
    DESTROYED = 2


class Version(msgspec.Struct, frozen=True, array_like=True):
    """The state of one version.

    A deletion that someone asked for is a state of its own, so that a clock set back cannot
    undo it; `deletion_ns` alone is an expiry.
    """

    created_ns: int
    deletion_ns: int = 0
    state: State = State.LIVE

    def gone(self, now_ns: int) -> bool:
        """Whether its payload is withheld at that time."""
        return self.state is not State.LIVE or 0 < self.deletion_ns <= now_ns


class Metadata(Record, frozen=True, kw_only=True, omit_defaults=True):
    """All about one secret but its payloads. `versions` end with number `current`, without gaps.

    A restore brings an older `current` back and leaves the numbers used since below `floor`: they
    were seen by somebody, and no other payload may ever have them.
    """

    created_ns: int
    updated_ns: int
    current: int = 0
    oldest: int = 0
    metadata_version: int = 0
    cas_required: bool = False
    metadata_cas_required: bool = False
    max_versions: int = 0  # 0: as the mount says
    delete_version_after: int = 0  # seconds; 0: as the mount says
    custom: dict[str, str] = msgspec.field(default_factory=dict)
    versions: tuple[Version, ...] = ()
    floor: int = 0  # the highest number in use before a restore, where that is above `current`

    def find(self, number: int) -> Version | None:
        """The version with that number, if it is kept."""
        back = self.current - number
        return self.versions[-1 - back] if 0 <= back < len(self.versions) else None

    def above_floor(self) -> "Metadata":
        """With every number up to `floor` used: those of a restore's lost versions as destroyed."""
        missing = self.floor - self.current
        if missing <= 0:
            return self
        lost = Version(self.updated_ns, self.updated_ns, State.DESTROYED)
        kept = self.versions if missing < MAX_VERSIONS else ()
        versions = (*kept, *[lost] * min(missing, MAX_VERSIONS))
        return replace(self, current=self.floor, versions=versions, floor=0)

    @property
    def numbers(self) -> range:
        """The numbers of `versions`, in the same order."""
        return range(self.current - len(self.versions) + 1, self.current + 1)


def read_config(storage: Storage) -> Config:
    """The mount's settings. Raises CorruptRecord when they are missing."""
    config = storage.memo(CONFIG, _decode_config)
    if config is None:
        raise CorruptRecord("a KV mount has no configuration row")
    return config


def write_config(storage: Storage, config: Config) -> None:
    """Set the mount's settings."""
    storage.put(CONFIG, encode(config))


def read_metadata(storage: Storage, object_id: bytes) -> Metadata:
    """The object's metadata. Raises CorruptRecord when a directory names it and it is missing."""
    metadata = storage.memo(METADATA + object_id, _decode_metadata)
    if metadata is None:
        raise CorruptRecord(f"object {object_id.hex()} has no metadata row")
    return metadata


def write_metadata(storage: Storage, object_id: bytes, metadata: Metadata) -> None:
    """Set the object's metadata."""
    storage.put(METADATA + object_id, encode(metadata))


def delete_metadata(storage: Storage, object_id: bytes) -> None:
    """Remove the object's metadata."""
    storage.delete(METADATA + object_id)


def encode_payload(data: dict[str, Any]) -> bytes:
    """A version's payload. Raises BadRequest that names the limit when it is too large."""
    payload = msgspec.json.encode(data)
    if len(payload) > MAX_PAYLOAD:
        raise BadRequest(f"data is larger than {MAX_PAYLOAD} bytes")
    return payload


def read_payload(storage: Storage, object_id: bytes, number: int) -> dict[str, Any]:
    """A kept version's payload, numbers exact. Raises CorruptRecord if it is missing or broken."""
    payload = storage.get(version_key(object_id, number))
    if payload is None:
        raise CorruptRecord(f"object {object_id.hex()} has no row of version {number}")
    try:
        return _payloads.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        # not chained: the cause may quote the secret
        raise CorruptRecord(f"object {object_id.hex()}: version {number} is no JSON") from None


def write_payload(storage: Storage, object_id: bytes, number: int, payload: bytes) -> None:
    """Set a version's payload."""
    storage.put(version_key(object_id, number), payload)


def delete_payload(storage: Storage, object_id: bytes, number: int) -> None:
    """Erase a version's payload, if it is there."""
    storage.delete(version_key(object_id, number))


_payloads = msgspec.json.Decoder(dict[str, Any])


def version_key(object_id: bytes, number: int) -> bytes:
    """Under which a version's payload lies."""
    return VERSION + object_id + number.to_bytes(8, "big")


def _decode_config(data: bytes) -> Config:
    return decode(Config, data)


def _decode_metadata(data: bytes) -> Metadata:
    return decode(Metadata, data)
