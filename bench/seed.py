"""Many rows, written through the store of a Custody that is not running, and what they cost.

They are made by the functions that the server itself makes them with, so rows, log and sums are the
same; only the way over HTTP is spared. The server is then started on that data and timed.
"""

import asyncio
import base64
import time
from collections.abc import Callable, Coroutine
from functools import partial
from pathlib import Path
from statistics import median

from tools import process
from tools.api import HEALTHY, SEALED

from bench import memory
from bench.prepare import prepare
from bench.result import Cost, Page
from bench.targets import Target, custody, start_custody
from custody.barrier.barrier import Barrier
from custody.barrier.keyring import Keyring, unwrap_keyring
from custody.barrier.meta import MetaRow, read_meta
from custody.base.clock import SystemClock
from custody.base.ids import SystemSource
from custody.base.store import Store, Transaction
from custody.core import mounts
from custody.core.bootstrap import TokenHasher
from custody.core.confine import MountTransaction
from custody.engines.kv import directory
from custody.engines.kv.v2 import records
from custody.engines.kv.v2.schema import Metadata
from custody.seals.shamir import unwrap_root_key
from custody.storage.lmdb import LMDBStore
from custody.token import format as token_format
from custody.token import service as tokens
from custody.token.asked import Handle, Spec

_BATCH = 1000  # tokens or names in a transaction
_PAGE = 100  # names
_LISTINGS = 51
_TTL = 24 * 3600
_SETTLE = 2.0  # seconds between the unseal and the look at the memory
_SPEC = Spec(policies=("bench", "default"), path="auth/token/create", ttl=_TTL)


def measure(directory: Path, counts: list[int]) -> list[Cost]:
    """The cost at each of the rising `counts`, on one data directory.

    Raises what starting and preparing a server raises.
    """
    target, share = _prepared(directory)
    costs, there = [], 0
    for count in counts:
        more = count - there
        asyncio.run(_written(directory / "data", share, partial(_hand_out, count=more)))
        there = count
        costs.append(_cost(target, directory, count))
    return costs


def _prepared(directory: Path) -> tuple[Target, bytes]:
    """A server made ready in `directory` and stopped again, and its one share."""
    target = custody(directory)
    try:
        prepare(target)
    finally:
        process.stop(target.process)
    return target, base64.b64decode(target.share)


def _cost(prepared: Target, directory: Path, count: int) -> Cost:
    server = start_custody(directory)
    try:
        api = prepared.api
        api.wait({SEALED}, server)
        began = time.monotonic()
        api.unseal(prepared.share)
        api.wait({HEALTHY}, server)
        api.call("GET", "secret/data/bench/0")
        unsealed = time.monotonic() - began
        time.sleep(_SETTLE)
        return Cost(count, unsealed, memory.held(server.pid))
    finally:
        process.stop(server)


def first_page(directory: Path, names: int) -> Page:
    """How long the first page of a KV v2 directory with that many names takes.

    Raises what starting and preparing a server raises.
    """
    target, share = _prepared(directory)
    asyncio.run(_written(directory / "data", share, partial(_name, count=names)))
    server = start_custody(directory)
    try:
        target.api.wait({SEALED}, server)
        target.api.unseal(target.share)
        target.api.wait({HEALTHY}, server)
        times = sorted(_listed(target) for _ in range(_LISTINGS))
    finally:
        process.stop(server)
    return Page(names, _PAGE, median(times), times[-1])


def _listed(target: Target) -> float:
    began = time.monotonic()
    found = target.api.call("LIST", f"secret/metadata/bench/wide?limit={_PAGE}")["data"]["keys"]
    took = (time.monotonic() - began) * 1000
    if len(found) != _PAGE:
        raise ValueError(f"a page of {len(found)} names in place of {_PAGE}")
    return took


async def _name(barrier: Barrier, count: int) -> None:
    """Secrets with metadata and no version yet, in one directory."""
    source, clock = SystemSource(), SystemClock()
    with barrier.snapshot() as rows:
        mount = mounts.read(rows, "secret/")
    if mount is None:
        raise ValueError("nothing is mounted at secret/")
    for done in range(0, count, _BATCH):
        now_ns, numbers = clock.now_ns(), range(done, min(done + _BATCH, count))

        def write(
            txn: Transaction, numbers: range = numbers, now_ns: int = now_ns, at: bytes = mount.id
        ) -> None:
            storage = MountTransaction(txn, at)
            metadata = Metadata(created_ns=now_ns, updated_ns=now_ns)
            for number in numbers:
                path = f"bench/wide/{number:07}"
                object_id = directory.create_object(storage, source, path)
                records.write_metadata(storage, object_id, metadata)

        await barrier.write(write, now_ns=now_ns)


async def _written(
    data: Path, share: bytes, write: Callable[[Barrier], Coroutine[None, None, None]]
) -> None:
    """Have `write` fill the store, opened as a server opens it."""
    store = LMDBStore.open(data, stamp=lambda _: None, clock=SystemClock(), low_water=0)
    try:
        barrier = Barrier(store, SystemClock(), SystemSource())
        barrier.install(_keyring(store, share))
        await write(barrier)
    finally:
        await store.close()


async def _hand_out(barrier: Barrier, count: int) -> None:
    clock, source = SystemClock(), SystemSource()
    hasher = TokenHasher(barrier)
    for done in range(0, count, _BATCH):
        batch = [_handle(hasher, source) for _ in range(min(_BATCH, count - done))]
        now_ns = clock.now_ns()

        def write(txn: Transaction, batch: list[Handle] = batch, now_ns: int = now_ns) -> None:
            for handle in batch:
                tokens.create(txn, _SPEC, handle, None, now_ns)

        await barrier.write(write, now_ns=now_ns)


def _keyring(store: Store, share: bytes) -> Keyring:
    """The store's keyring, opened by the one share there is, which is the unseal key itself."""
    with store.snapshot() as rows:
        root_key, keyring = read_meta(rows, MetaRow.ROOT_KEY), read_meta(rows, MetaRow.KEYRING)
    if root_key is None or keyring is None:
        raise ValueError("the store was not initialised")
    return unwrap_keyring(keyring, unwrap_root_key(root_key, share))


def _handle(hasher: TokenHasher, source: SystemSource) -> Handle:
    token, accessor = token_format.new_id(source), token_format.new_accessor(source)
    return Handle(hasher.token(token), accessor, hasher.accessor(accessor))
