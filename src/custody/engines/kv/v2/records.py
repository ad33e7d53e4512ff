"""Bytes on disk of KV version 2. What stands here cannot change, only be added to.

Below the mount, by first byte:
  D | …                              entries of directories (`custody.engines.kv.entries`)
  M | object id (16)                 metadata of one secret
  M | object id (16) | version (8)   payload of one version: a JSON object, so its first byte is
                                     `{`; any other first byte is free for a later form
  V | object id (16) | version (8)   the same, as it was written before the store's format 2
  C                                  configuration, written when the mount is enabled
Ids are random and never used again: a name used again is a new object. A secret's rows lie side by
side, so that adding a version mostly changes one leaf of the store and not two: each page that is
changed has to be brought to the disk.
"""

from typing import Any

import msgspec

from custody.base.codec import CorruptRecord, decode, encode, stamped
from custody.base.errors import BadRequest, unchained
from custody.engines.kv.entries import OBJECT_ID
from custody.engines.kv.v2.schema import Config, Metadata
from custody.plugin.route import MIB
from custody.plugin.storage import Storage

OBJECT, CONFIG = b"M", b"C"
METADATA_KEY = len(OBJECT) + OBJECT_ID  # bytes; keys of payloads are longer
_FORMAT_1 = b"V"

DEFAULT_MAX_VERSIONS = 10

MAX_PAYLOAD = 1 * MIB  # bytes of JSON; a patch may not grow a secret beyond what a write may send

SECOND = 1_000_000_000  # nanoseconds


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
    metadata = storage.memo(OBJECT + object_id, _decode_metadata)
    if metadata is None:
        raise CorruptRecord(f"object {object_id.hex()} has no metadata row")
    return metadata


def prefetch_metadata(storage: Storage, object_id: bytes) -> None:
    """Have the object's metadata decoded before it is read."""
    storage.prefetch(OBJECT + object_id, _decode_metadata)


def write_metadata(storage: Storage, object_id: bytes, metadata: Metadata) -> None:
    """Set the object's metadata."""
    kept = stamped(metadata)
    storage.put_memo(OBJECT + object_id, encode(kept), _decode_metadata, kept)


def delete_metadata(storage: Storage, object_id: bytes) -> None:
    """Remove the object's metadata."""
    storage.delete(OBJECT + object_id)


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
        payload = storage.get(format_1_key(object_id, number))
    if payload is None:
        raise CorruptRecord(f"object {object_id.hex()} has no row of version {number}")
    try:
        return _payloads.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        # not chained: the cause may quote the secret
        raise unchained(
            CorruptRecord(f"object {object_id.hex()}: version {number} is no JSON")
        ) from None


def write_payload(storage: Storage, object_id: bytes, number: int, payload: bytes) -> None:
    """Set a version's payload."""
    storage.put(version_key(object_id, number), payload)


def delete_payload(storage: Storage, object_id: bytes, number: int) -> None:
    """Erase a version's payload, if it is there."""
    if not storage.delete(version_key(object_id, number)):
        storage.delete(format_1_key(object_id, number))


_payloads = msgspec.json.Decoder(dict[str, Any])


def version_key(object_id: bytes, number: int) -> bytes:
    """Under which a version's payload lies."""
    return OBJECT + object_id + number.to_bytes(8, "big")


def format_1_key(object_id: bytes, number: int) -> bytes:
    """Under which it lies where it was written before format 2."""
    return _FORMAT_1 + object_id + number.to_bytes(8, "big")


def _decode_config(data: bytes) -> Config:
    return decode(Config, data)


def _decode_metadata(data: bytes) -> Metadata:
    return decode(Metadata, data)
