"""Saving the store to one file while it serves, and putting a saved one in its place.

A restore has four steps. The bytes go to a file without a name. Its rows are checked and become a
generation beside the present one; what must not go back is taken from the present data. One commit
puts it in their place. Then every process that reads the store is started anew, and finds it open:
the keys stay with the custodian. Until that commit nothing has changed, whatever happens.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from typing import IO, Final

from custody import __version__
from custody.barrier.keyring import SCOPE_SIZE, Keyring
from custody.barrier.meta import MetaRow, read_meta
from custody.barrier.restoring import Merge, Survivor, reader_of
from custody.barrier.snapshot import Header, SnapshotReader, SnapshotWriter, sealing_key
from custody.base.clock import rfc3339
from custody.base.errors import BadRequest, Unavailable
from custody.base.store import FORMAT, Generation, RawRows, Replaceable, Rows, Table
from custody.core import mounts
from custody.core.bootstrap import CLUSTER_ID, CLUSTER_NAME
from custody.core.parts import Parts
from custody.plugin.route import Engine

MEDIA: Final = "application/gzip"
CLOSE_ENOUGH: Final = 500  # entries of the log that may be left for when nobody can write
_log = logging.getLogger(__name__)


async def save(parts: Parts) -> IO[bytes]:
    """The file, without a name, open at its beginning. Raises Tampered, StorageFull.

    Every table is checked against its sum, and the log against its chain, as it passes: of a store
    that is not whole there is no snapshot. The one moment is held for as long as writing takes, and
    not for as long as a client takes to fetch it.
    """
    store = _replaceable(parts)
    file = store.spool()
    try:
        with store.snapshot() as raw:
            pieces = _writer(parts, raw).pieces()
            while (piece := await asyncio.to_thread(next, pieces, None)) is not None:
                store.check_room()
                await asyncio.to_thread(file.write, piece)
        file.seek(0)
    except BaseException:
        file.close()
        raise
    return file


def _writer(parts: Parts, raw: RawRows) -> SnapshotWriter:
    barrier = parts.barrier
    check = barrier.passing(raw)
    with barrier.snapshot() as rows:
        name, identifier = _cluster(rows)
    header = Header(
        format=FORMAT,
        version=__version__,
        scope=barrier.keyring.scope.hex(),
        position=check.position,
        time=rfc3339(parts.clock.now_ns()),
        cluster_name=name,
        cluster_id=identifier,
    )
    return SnapshotWriter(raw, header, sealing_key(barrier.keyring), check.row, check.finish)


async def restore(parts: Parts, upload: AsyncIterator[bytes], *, force: bool) -> Header:
    """Put the snapshot in `upload` in the place of the store's data.

    A snapshot of another store is taken only into an empty one, or with `force`; then nothing of
    the present data stays, and the node is sealed. Raises BadRequest, StorageFull, Unavailable.
    """
    store = _replaceable(parts)
    keyring = None if parts.barrier.sealed else parts.barrier.keyring
    with store.spool() as file:
        async for chunk in upload:
            store.check_room()
            await asyncio.to_thread(file.write, chunk)
        file.seek(0)
        header, foreign = await asyncio.to_thread(
            _replace, parts, store, file, keyring, force=force
        )
    _log.warning("restored the snapshot of %s, log position %d", header.time, header.position)
    if keyring is not None and foreign:
        await parts.custodian.seal()
    else:
        await parts.custodian.restart()
    return header


def inspect(file: IO[bytes]) -> tuple[Header, int]:
    """What a file says of itself, and how many rows it has; checked but for its seal."""
    reader = SnapshotReader(file)
    rows = sum(1 for _ in reader.rows(None))
    return reader.header, rows


def _replaceable(parts: Parts) -> Replaceable:
    if not isinstance(parts.store, Replaceable):
        raise Unavailable("this store is not one that can be saved or replaced")
    return parts.store


def _replace(
    parts: Parts, store: Replaceable, file: IO[bytes], keyring: Keyring | None, *, force: bool
) -> tuple[Header, bool]:
    reader = SnapshotReader(file)
    foreign = keyring is None or reader.header.scope != keyring.scope.hex()
    if keyring is not None and foreign and not force:
        raise BadRequest(
            "the snapshot is of another store: restoring it takes the place of everything here; "
            "use snapshot-force"
        )
    generation = store.begin_generation()
    try:
        if keyring is None or foreign:
            _take_whole(reader, generation)
            store.replace(generation, lambda live: _check_empty(live, keyring))
        else:
            _merge(parts, store, reader, generation, keyring)
    finally:
        generation.discard()
    return reader.header, foreign


def _take_whole(reader: SnapshotReader, generation: Generation) -> None:
    generation.load(reader.rows(None))
    with generation.snapshot() as raw:
        row = read_meta(raw, MetaRow.KEYRING)
    if row is None or row[1 : 1 + SCOPE_SIZE].hex() != reader.header.scope:
        raise BadRequest("not a snapshot that can be restored: it has no keyring")


def _check_empty(live: RawRows, keyring: Keyring | None) -> None:
    """Without keys nobody was asked for a token: that is for a store with nothing in it."""
    if keyring is None and read_meta(live, MetaRow.SEAL_CONFIG) is not None:
        raise BadRequest("Vault is already initialized")


def _merge(
    parts: Parts,
    store: Replaceable,
    reader: SnapshotReader,
    generation: Generation,
    keyring: Keyring,
) -> None:
    merge = Merge(generation, keyring, "root", parts.source, parts.clock.now_ns())
    merge.load(reader.rows(sealing_key(keyring)))
    with store.snapshot() as live:
        position = merge.carry(live)
        merge.decide(live, _survivors(parts, live, generation, keyring))
    while True:
        with store.snapshot() as live:
            reached = merge.follow(live, position)
        if reached - position < CLOSE_ENOUGH:
            break
        position = reached
    store.replace(generation, lambda live: merge.finish(live, reached))


def _survivors(
    parts: Parts, live: RawRows, generation: Generation, keyring: Keyring
) -> Mapping[bytes, Survivor]:
    """How engines decide, by mount: of the mounts that are there before and after."""
    now_ns = parts.clock.now_ns()
    with generation.snapshot() as restored:
        after = _mounts(parts, reader_of(restored, keyring))
    before = _mounts(parts, reader_of(live, keyring))
    found: dict[bytes, Survivor] = {}
    for identifier, engine in after.items():
        survival = engine.survival
        if survival is not None and identifier in before:
            found[identifier] = Survivor(survival.prefix, survival.size, survival.at(now_ns))
    return found


def _mounts(parts: Parts, rows: Rows) -> dict[bytes, Engine]:
    entries = mounts.entries(rows)
    known = ((entry.id, parts.catalog.get(entry.engine or entry.kind)) for entry in entries)
    return {identifier: engine for identifier, engine in known if engine is not None}


def _cluster(rows: Rows) -> tuple[str, str]:
    name = rows.get(Table.SETTING, CLUSTER_NAME) or b""
    identifier = rows.get(Table.SETTING, CLUSTER_ID) or b""
    return name.decode(), identifier.decode()
