"""What version 2 does with secrets that were written before their mount kept versions."""

from typing import Final

from custody.engines.kv.entries import PLAIN_PAYLOAD
from custody.engines.kv.v2 import records
from custody.engines.kv.v2.schema import Config, Metadata, Version
from custody.plugin.storage import Storage

KEYS_PER_SECRET: Final = 3  # rows that one secret changes


def adopt(storage: Storage, now_ns: int, keys: int) -> bool:
    """Make secrets their own version 1, changing at most `keys` rows; whether there are more.

    With the last of them the mount gets its settings.
    """
    limit = max(1, (keys - 1) // KEYS_PER_SECRET)
    for key, payload in storage.scan(PLAIN_PAYLOAD, limit=limit):
        object_id = key[len(PLAIN_PAYLOAD) :]
        metadata = Metadata(
            created_ns=now_ns, updated_ns=now_ns, current=1, oldest=1, versions=(Version(now_ns),)
        )
        records.write_payload(storage, object_id, 1, payload)
        records.write_metadata(storage, object_id, metadata)
        storage.delete(key)
    more = bool(storage.keys(PLAIN_PAYLOAD, limit=1))
    if not more:
        records.write_config(storage, Config())
    return more
