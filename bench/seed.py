"""Many tokens, written through the store of a Custody that is not running, and what they cost.

The tokens are made by the functions that the server itself makes them with, so rows, log and sums
are the same; only the way over HTTP is spared. The server is then started on that data and timed.
"""

import asyncio
import base64
import time
from pathlib import Path

from tools import process
from tools.api import HEALTHY, SEALED

from bench import memory
from bench.prepare import prepare
from bench.result import Cost
from bench.targets import Target, custody, start_custody
from custody.barrier.barrier import Barrier
from custody.barrier.keyring import Keyring, unwrap_keyring
from custody.barrier.meta import MetaRow, read_meta
from custody.base.clock import SystemClock
from custody.base.ids import SystemSource
from custody.base.store import Store, Transaction
from custody.core.bootstrap import TokenHasher
from custody.seals.shamir import unwrap_root_key
from custody.storage.lmdb import LMDBStore
from custody.token import format as token_format
from custody.token import service as tokens
from custody.token.entry import Handle, Spec

_BATCH = 1000  # tokens in a transaction
_TTL = 24 * 3600
_SETTLE = 2.0  # seconds between the unseal and the look at the memory
_SPEC = Spec(policies=("bench", "default"), path="auth/token/create", ttl=_TTL)


def measure(directory: Path, counts: list[int]) -> list[Cost]:
    """The cost at each of the rising `counts`, on one data directory.

    Raises what starting and preparing a server raises.
    """
    target = custody(directory)
    try:
        prepare(target)
    finally:
        process.stop(target.process)
    share = base64.b64decode(target.share)
    costs, there = [], 0
    for count in counts:
        asyncio.run(_seed(directory / "data", share, count - there))
        there = count
        costs.append(_cost(target, directory, count))
    return costs


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


async def _seed(data: Path, share: bytes, count: int) -> None:
    clock, source = SystemClock(), SystemSource()
    store = LMDBStore.open(data, stamp=lambda _: None, clock=clock, low_water=0)
    try:
        barrier = Barrier(store, clock, source)
        barrier.install(_keyring(store, share))
        hasher = TokenHasher(barrier)
        for done in range(0, count, _BATCH):
            batch = [_handle(hasher, source) for _ in range(min(_BATCH, count - done))]
            now_ns = clock.now_ns()

            def write(txn: Transaction, batch: list[Handle] = batch, now_ns: int = now_ns) -> None:
                for handle in batch:
                    tokens.create(txn, _SPEC, handle, None, now_ns)

            await barrier.write(write, now_ns=now_ns)
    finally:
        await store.close()


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
