"""Bytes on disk of directories, the same in both versions. They cannot change, only be added to.

Below the mount, `D | directory id (8) | name` is an entry: the id of a directory (8), its name
ending in `/`, or of a secret's object (16). The root directory's id is eight zeros. Ids are random
and never used again: a name used again is a new object.
"""

from custody.base.codec import decode, encode
from custody.engines.kv.entry import Entry
from custody.plugin.storage import Storage

DIRECTORY = b"D"
PLAIN_PAYLOAD = b"P"  # | object id: what version 1 keeps of a secret, and version 2 takes over
ROOT_DIRECTORY = bytes(8)
DIRECTORY_ID, OBJECT_ID = 8, 16  # bytes


def read_entry(storage: Storage, directory: bytes, name: bytes) -> bytes | None:
    """The id under `name` in the directory, or None."""
    return storage.memo(DIRECTORY + directory + name, _decode_entry)


def write_entry(storage: Storage, directory: bytes, name: bytes, entry_id: bytes) -> None:
    """Put `name` into the directory."""
    storage.put(DIRECTORY + directory + name, encode(Entry(id=entry_id)))


def delete_entry(storage: Storage, directory: bytes, name: bytes) -> None:
    """Take `name` out of the directory."""
    storage.delete(DIRECTORY + directory + name)


def read_names(storage: Storage, directory: bytes, after: bytes, limit: int) -> list[bytes]:
    """Up to `limit` names in the directory that come after `after`, in order: one range read.

    Entries are opened, though their ids are not wanted: that tells a name from a forged one.
    """
    prefix = DIRECTORY + directory
    return [key[len(prefix) :] for key, _ in storage.scan(prefix, after, limit)]


def _decode_entry(data: bytes) -> bytes:
    return decode(Entry, data).id
