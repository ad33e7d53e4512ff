"""A secret as a whole: its metadata together with its rows of payloads."""

from collections.abc import Callable, Collection
from typing import Final

from msgspec.structs import replace

from custody.base.clock import rfc3339
from custody.engines.kv import directory
from custody.engines.kv.v2 import records
from custody.engines.kv.v2.records import SECOND
from custody.engines.kv.v2.schema import Config, Metadata, State, Version
from custody.plugin.storage import Storage

Shown = dict[str, object]
_DESTROYED: Final = State.DESTROYED  # as a constant: compiled, a member of an enum is dear


def load(storage: Storage, path: str) -> tuple[bytes, Metadata] | None:
    """The id and metadata of the secret at `path`, or None. Raises BadRequest as `find_object`."""
    object_id = directory.find_object(storage, path)
    return None if object_id is None else (object_id, records.read_metadata(storage, object_id))


def add_version(
    storage: Storage,
    config: Config,
    found: tuple[bytes, Metadata],
    payload: bytes,
    now_ns: int,
) -> Metadata:
    """Store `payload` as the next version, drop the versions that are then too many.

    As in Vault, `oldest` stays 0 until the limit (the secret's own, else the mount's, else the
    default) is first reached. Returns the metadata as stored; at most MAX_VERSIONS + 2 rows change.
    """
    object_id, metadata = found
    last = metadata.above_floor()
    current, oldest = last.current + 1, last.oldest
    versions = (*last.versions, Version(now_ns, expiry(config, metadata, now_ns)))
    limit = last.max_versions or config.max_versions or records.DEFAULT_MAX_VERSIONS
    if current - oldest >= limit:
        oldest, versions = current - limit + 1, versions[-limit:]
    kept = replace(last, current=current, oldest=oldest, versions=versions, updated_ns=now_ns)
    before = metadata.numbers
    for number in range(before.start, min(before.stop, kept.numbers.start)):
        records.delete_payload(storage, object_id, number)
    records.write_payload(storage, object_id, current, payload)
    records.write_metadata(storage, object_id, kept)
    return kept


def change_versions(
    storage: Storage,
    found: tuple[bytes, Metadata],
    numbers: Collection[int],
    change: Callable[[Version], Version],
) -> None:
    """Put `change` of each kept version in `numbers` in its place."""
    object_id, metadata = found
    changed = tuple(
        change(version) if number in numbers else version
        for number, version in zip(metadata.numbers, metadata.versions, strict=True)
    )
    if changed != metadata.versions:
        records.write_metadata(storage, object_id, replace(metadata, versions=changed))


def erase(storage: Storage, path: str, found: tuple[bytes, Metadata]) -> None:
    """Remove every row of the secret, and the directories that this leaves empty.

    At most MAX_VERSIONS versions and MAX_PATH / 2 directories: below 10,000 keys.
    """
    object_id, metadata = found
    for number in metadata.numbers:
        records.delete_payload(storage, object_id, number)
    records.delete_metadata(storage, object_id)
    directory.remove_object(storage, path)


def expiry(config: Config, metadata: Metadata, now_ns: int) -> int:
    """When a version made now will be deleted, in ns since the epoch; 0 is never."""
    if config.delete_version_after < 0:
        return 0
    limits = [
        seconds
        for seconds in (config.delete_version_after, metadata.delete_version_after)
        if seconds
    ]
    return now_ns + min(limits) * SECOND if limits else 0


def show_version(metadata: Metadata, number: int, version: Version) -> Shown:
    """One version's metadata as the API shows it beside data."""
    return {
        "created_time": rfc3339(version.created_ns),
        "custom_metadata": metadata.custom or None,
        "deletion_time": show_time(version.deletion_ns),
        "destroyed": version.state is _DESTROYED,
        "version": number,
    }


def show_time(ns: int) -> str:
    """A time as the API shows it: empty when there is none."""
    return rfc3339(ns) if ns else ""
