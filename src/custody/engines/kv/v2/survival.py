"""What of KV version 2 a restore does not undo: versions that were destroyed or deleted since.

A version destroyed since stays destroyed. One deleted since is deleted, and can be undeleted. A
secret removed with all its versions since is there again with every version deleted: it is nobody's
to read until somebody undeletes it. A limit of time that was set since holds. The numbers of
versions that were written since, which the restore takes away, are never given to others.
"""

from collections.abc import Callable, Mapping

from msgspec.structs import replace

from custody.base.codec import decode, encode
from custody.engines.kv.v2 import records
from custody.engines.kv.v2.data import deleted
from custody.engines.kv.v2.records import METADATA_KEY, OBJECT
from custody.engines.kv.v2.schema import Metadata, State, Version
from custody.plugin.route import Survival

Changes = Mapping[bytes, bytes | None]


def _at(now_ns: int) -> Callable[[bytes, bytes, bytes | None], Changes]:
    def decide(key: bytes, restored: bytes, present: bytes | None) -> Changes:
        then = decode(Metadata, restored)
        now = None if present is None else decode(Metadata, present)
        versions = tuple(
            _survived(version, None if now is None else now.find(number), now, now_ns)
            for number, version in zip(then.numbers, then.versions, strict=True)
        )
        floor = then.floor if now is None else max(then.floor, now.floor, now.current)
        survived = replace(then, versions=versions, floor=floor if floor > then.current else 0)
        if survived == then:
            return {}
        object_id = key[len(OBJECT) :]
        gone = (
            number
            for number, version in zip(then.numbers, versions, strict=True)
            if version.state is State.DESTROYED
        )
        changes: dict[bytes, bytes | None] = {
            place(object_id, number): None
            for number in gone
            for place in (records.version_key, records.format_1_key)
        }
        return {**changes, key: encode(survived)}

    return decide


def _survived(then: Version, found: Version | None, now: Metadata | None, now_ns: int) -> Version:
    """The version as it is after a restore. `now` None: the secret was removed."""
    if now is None:
        return deleted(then, now_ns)
    if found is None or found.created_ns != then.created_ns:
        return then  # dropped for its age since, or not the same one
    if found.state is State.DESTROYED:
        return replace(then, state=State.DESTROYED)
    if found.state is State.DELETED and then.state is State.LIVE:
        return replace(then, state=State.DELETED, deletion_ns=found.deletion_ns)
    if found.deletion_ns and then.state is State.LIVE:
        earlier = min(found.deletion_ns, then.deletion_ns or found.deletion_ns)
        return replace(then, deletion_ns=earlier)
    return then


SURVIVAL = Survival(OBJECT, METADATA_KEY, _at)  # payloads go as the metadata says
