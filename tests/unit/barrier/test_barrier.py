"""The barrier over a store in memory: contract of Rows and Transaction, and every tampering."""

import asyncio
import secrets
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from custody.barrier.barrier import Barrier
from custody.barrier.counter import BLOCK
from custody.barrier.envelope import UnknownTerm
from custody.barrier.finding import Finding
from custody.barrier.keyring import Keyring, new_keyring, wrap_keyring
from custody.barrier.log import HEAD, Retention, entry_key, read_entries
from custody.barrier.memo import Memo
from custody.barrier.meta import MetaRow, SealChanged, change_of, read_meta, write_meta
from custody.barrier.rows import ENCRYPTED
from custody.barrier.transaction import BarrierTransaction
from custody.base.clock import SystemClock
from custody.base.errors import BadRequest, Sealed, TransactionTooLarge
from custody.base.ids import SystemSource
from custody.base.store import MAX_TRANSACTION_KEYS, StaleDecision, Table, Tampered, Transaction
from custody.storage.lmdb import LMDBStore
from custody.storage.memory import MemoryStore

SOURCE = SystemSource()
ROOT = bytes(32)


class Fixture:
    """A barrier, its store and its keyring."""

    def __init__(self) -> None:
        self.store = MemoryStore()
        self.keyring = new_keyring(1, SOURCE)
        self.barrier = self.open(self.keyring)

    def open(self, keyring: Keyring) -> Barrier:
        """Another process's barrier on the same store."""
        barrier = Barrier(self.store, SystemClock(), SOURCE)
        barrier.install(keyring)
        return barrier

    async def put(self, table: Table, *rows: tuple[bytes, bytes], now_ns: int = 5) -> None:
        """Write rows in one transaction."""

        def fill(transaction: Transaction) -> None:
            for key, value in rows:
                transaction.put(table, key, value)

        await self.barrier.write(fill, now_ns=now_ns)

    def replace(self, key: bytes, value: bytes | None) -> None:
        """Change a raw row behind the barrier's back."""
        rows = dict(self.store.dump())
        if value is None:
            del rows[key]
        else:
            rows[key] = value
        self.store.load(rows.items())

    def findings(self) -> list[Finding]:
        """What a fresh process's scrub says."""
        with self.open(self.keyring).snapshot() as view:
            scrub = self.barrier.scrub(view, batch=7)
            return [finding for checked in scrub for finding in checked.findings]


def on_loop(test: Callable[[Fixture], Coroutine[Any, Any, None]]) -> Callable[[], None]:
    """Run a test's coroutine with a fixture of its own."""

    def run() -> None:
        asyncio.run(test(Fixture()))

    run.__name__ = test.__name__
    return run


def upper(data: bytes) -> bytes:
    """A decoder."""
    return data.upper()


@on_loop
async def test_what_is_written_is_read_and_nothing_of_it_lies_in_clear(at: Fixture) -> None:
    await at.put(Table.ENGINE, (b"key", b"the secret value"))
    with at.barrier.snapshot() as view:
        assert view.get(Table.ENGINE, b"key") == b"the secret value"
        assert view.get(Table.ENGINE, b"other") is None
        assert view.get(Table.ENGINE, b"k" * 600) is None
        assert view.reads == {}
    assert not [row for _, row in at.store.dump() if b"secret" in row]


@on_loop
async def test_a_memo_saves_decoding_but_never_reading(at: Fixture) -> None:
    await at.put(Table.TOKEN, (b"t", b"one"))
    with at.barrier.snapshot() as view:
        first = view.memo(Table.TOKEN, b"t", upper)
        assert first == b"ONE"
        assert view.memo(Table.TOKEN, b"t", upper) is first
        assert view.memo(Table.TOKEN, b"t", bytes.title) == b"One"
        assert view.memo(Table.TOKEN, b"none", upper) is None
        assert set(view.reads) == {b"\x13t", b"\x13none"}
    await at.put(Table.TOKEN, (b"t", b"two"))
    with at.barrier.snapshot() as view:
        assert view.memo(Table.TOKEN, b"t", upper) == b"TWO"
    await at.barrier.write(lambda transaction: transaction.delete(Table.TOKEN, b"t"))
    with at.barrier.snapshot() as view:
        assert view.memo(Table.TOKEN, b"t", upper) is None


class Decoder:
    """Counts what it decodes."""

    def __init__(self) -> None:
        self.decoded: list[bytes] = []

    def decode(self, data: bytes) -> bytes:
        """As `upper`."""
        self.decoded.append(data)
        return data.upper()


@on_loop
async def test_what_was_prefetched_is_decoded_once_and_is_not_among_the_reads(at: Fixture) -> None:
    decoder = Decoder()
    decode = decoder.decode
    await at.put(Table.ENGINE, (b"k", b"one"))
    with at.barrier.snapshot() as view:
        for key in (b"k", b"none", b"k" * 600):
            view.prefetch(Table.ENGINE, key, decode)
        assert view.reads == {}
        assert view.memo(Table.ENGINE, b"k", decode) == b"ONE"
    assert decoder.decoded == [b"one"]
    await at.put(Table.ENGINE, (b"k", b"two"))
    with at.barrier.snapshot() as view:
        assert view.memo(Table.ENGINE, b"k", decode) == b"TWO"


@on_loop
async def test_what_was_put_with_its_meaning_need_not_be_decoded(at: Fixture) -> None:
    decoder = Decoder()
    decode = decoder.decode

    def put(transaction: BarrierTransaction) -> None:
        transaction.put_memo(Table.ENGINE, b"k", b"one", decode, b"ONE")
        assert transaction.memo(Table.ENGINE, b"k", decode) == b"ONE"

    await at.barrier.write(put)
    with at.barrier.snapshot() as view:
        assert view.memo(Table.ENGINE, b"k", decode) == b"ONE"
    assert decoder.decoded == []
    with at.open(at.keyring).snapshot() as view:  # another process
        assert view.memo(Table.ENGINE, b"k", decode) == b"ONE"
    assert decoder.decoded == [b"one"]


@on_loop
async def test_the_meaning_of_what_was_never_committed_is_believed_of_nothing(at: Fixture) -> None:
    decoder = Decoder()
    decode = decoder.decode
    await at.put(Table.ENGINE, (b"k", b"one"))

    def fail(transaction: BarrierTransaction) -> None:
        transaction.put_memo(Table.ENGINE, b"k", b"two", decode, b"TWO")
        raise ValueError

    with pytest.raises(ValueError):  # noqa: PT011 its own
        await at.barrier.write(fail)
    with at.barrier.snapshot() as view:
        assert view.memo(Table.ENGINE, b"k", decode) == b"ONE"


@on_loop
async def test_a_strong_row_copied_over_a_weak_one_is_not_taken_from_the_memo(at: Fixture) -> None:
    await at.put(Table.POLICY, (b"strong", b"all"), (b"weak", b"none"))
    with at.barrier.snapshot() as view:
        assert view.memo(Table.POLICY, b"strong", upper) == b"ALL"
    strong = dict(at.store.dump())[b"\x12strong"]
    at.replace(b"\x12weak", strong)
    with at.barrier.snapshot() as view, pytest.raises(Tampered):
        view.memo(Table.POLICY, b"weak", upper)


@on_loop
async def test_pages_of_a_scan_are_in_order_and_stay_in_their_prefix(at: Fixture) -> None:
    keys = [b"a", b"a\xff", b"a\xff\xff", b"ab", b"abc", b"b", b"\xff", b"\xff\xff"]
    await at.put(Table.ENGINE, *((key, b"v" + key) for key in keys))
    await at.put(Table.ACCESSOR, (b"a", b"neighbour"))
    with at.barrier.snapshot() as view:
        for prefix in (b"", b"a", b"ab", b"a\xff", b"\xff", b"c", b"k" * 511):
            expected = sorted(key for key in keys if key.startswith(prefix))
            assert view.keys(Table.ENGINE, prefix) == expected
            page: list[bytes] = []
            while rows := view.scan(
                Table.ENGINE, prefix, after=page[-1][len(prefix) :] if page else b"", limit=2
            ):
                assert all(value == b"v" + key for key, value in rows)
                page += [key for key, _ in rows]
                if page[-1] == prefix:  # an empty `after` would begin again
                    break
            assert page == expected[: len(page)]
        assert view.keys(Table.ENGINE, b"a", after=b"x" * 600) == [b"a\xff", b"a\xff\xff"]
        with pytest.raises(ValueError, match="META"):
            view.scan(Table.META, b"")


@on_loop
async def test_a_stale_decision_changes_nothing(at: Fixture) -> None:
    await at.put(Table.TOKEN, (b"t", b"valid"))
    with at.barrier.snapshot() as view:
        view.memo(Table.TOKEN, b"t", upper)
        view.memo(Table.REVOCATION, b"t", upper)
        reads = view.reads
    for change in (
        lambda transaction: transaction.put(Table.REVOCATION, b"t", b"mark"),
        lambda transaction: transaction.delete(Table.TOKEN, b"t"),
    ):
        await at.barrier.write(lambda t: t.put(Table.ENGINE, b"k", b"1"), expect=reads)
        await at.barrier.write(change)
        with pytest.raises(StaleDecision):
            await at.barrier.write(lambda t: t.put(Table.ENGINE, b"k", b"2"), expect=reads)
        with at.barrier.snapshot() as view:
            assert view.get(Table.ENGINE, b"k") == b"1"
            with pytest.raises(StaleDecision):
                view.verify(reads)
            reads = {b"\x13t": dict(at.store.dump()).get(b"\x13t")}
            view.verify(reads)


@on_loop
async def test_a_transaction_reads_what_it_wrote_and_is_undone_whole(at: Fixture) -> None:
    def job(transaction: Transaction) -> None:
        transaction.put(Table.TOKEN, b"a", b"1")
        assert transaction.get(Table.TOKEN, b"a") == b"1"
        assert transaction.scan(Table.TOKEN, b"") == [(b"a", b"1")]
        assert transaction.delete(Table.TOKEN, b"a")
        assert not transaction.delete(Table.TOKEN, b"a")
        transaction.put(Table.TOKEN, b"b", b"2")
        raise KeyError

    before = at.store.dump()
    with pytest.raises(KeyError):
        await at.barrier.write(job)
    assert at.store.dump() == before


@on_loop
async def test_a_transaction_over_its_limits_is_refused(at: Fixture) -> None:
    with pytest.raises(TransactionTooLarge):
        await at.put(Table.ENGINE, *((b"%d" % n, b"") for n in range(MAX_TRANSACTION_KEYS + 1)))
    with pytest.raises(TransactionTooLarge):
        await at.put(Table.ENGINE, *((b"%d" % n, bytes(4_200_000)) for n in range(4)))
    with pytest.raises(ValueError, match="longer"):
        await at.put(Table.ENGINE, (b"k" * 511, b""))
    with pytest.raises(ValueError, match="LOG"):
        await at.put(Table.LOG, (b"k", b""))
    assert at.store.dump() == []


@on_loop
async def test_what_a_transaction_holds_is_counted_as_it_is_and_as_it_was(at: Fixture) -> None:
    large = bytes(100_000)
    await at.put(Table.ENGINE, (b"old", large), (b"gone", large))
    seen: list[int] = []

    def change(transaction: Transaction) -> None:
        seen.append(transaction.held)
        transaction.put(Table.ENGINE, b"old", b"small")
        seen.append(transaction.held)
        transaction.delete(Table.ENGINE, b"gone")
        seen.append(transaction.held)

    await at.barrier.write(change)
    assert seen[0] == 0
    assert [number // len(large) for number in seen] == [0, 1, 2]


@on_loop
async def test_a_sealed_barrier_does_nothing(at: Fixture) -> None:
    await at.put(Table.ENGINE, (b"k", b"v"))
    at.barrier.drop()
    assert at.barrier.sealed
    with pytest.raises(Sealed):
        at.barrier.snapshot()
    with pytest.raises(Sealed):
        await at.put(Table.ENGINE, (b"k", b"w"))
    at.barrier.install(at.keyring)
    with at.barrier.snapshot() as view:
        assert view.get(Table.ENGINE, b"k") == b"v"


@on_loop
async def test_rotation_encrypts_under_the_new_term_and_opens_the_old(at: Fixture) -> None:
    await at.put(Table.ENGINE, (b"old", b"1"))
    old = at.open(at.keyring)
    at.keyring = at.keyring.rotated(2, SOURCE)
    at.barrier.install(at.keyring)
    await at.put(Table.ENGINE, (b"new", b"2"))
    with at.barrier.snapshot() as view:
        assert [value for _, value in view.scan(Table.ENGINE, b"")] == [b"2", b"1"]
        assert at.barrier.encryptions(view, 1) == at.barrier.encryptions(view, 2) == BLOCK
    with old.snapshot() as view, pytest.raises(UnknownTerm):
        view.get(Table.ENGINE, b"new")
    assert at.findings() == []


@on_loop
async def test_encryptions_are_reserved_again_when_a_commit_was_lost(at: Fixture) -> None:
    saved = at.store.dump()
    await at.put(Table.ENGINE, (b"k", b"1"))
    at.store.load(saved)
    await at.put(Table.ENGINE, (b"k", b"1"))
    other = at.open(at.keyring)
    await other.write(lambda transaction: transaction.put(Table.ENGINE, b"o", b"1"))
    with at.barrier.snapshot() as view:
        assert at.barrier.encryptions(view, 1) == 2 * BLOCK


@on_loop
async def test_the_log_says_what_was_committed_and_its_time_never_goes_back(at: Fixture) -> None:
    await at.put(Table.ENGINE, (b"a", b"1"), (b"b", b"2"), now_ns=100)
    await at.barrier.write(
        lambda transaction: transaction.delete(Table.ENGINE, b"a"),
        now_ns=50,
        request_id="request",
        essential=True,
    )
    await at.barrier.write(lambda transaction: transaction.delete(Table.ENGINE, b"none"))
    await at.put(Table.OUTBOX, (b"event", b"1"))
    with at.barrier.snapshot() as view:
        first, second = read_entries(view.raw, 0)
        assert at.barrier.floor_ns(view) == 100
    assert [(kind, key) for kind, key, _ in first.operations] == [(1, b"\x40a"), (1, b"\x40b")]
    assert second.operations == [(2, b"\x40a", b"")]
    assert (second.position, second.time_ns, second.request_id, second.flags) == (
        2,
        100,
        "request",
        1,
    )


def test_the_jobs_of_one_commit_share_its_books_and_one_that_fails_leaves_nothing_in_them(
    tmp_path: Path,
) -> None:
    async def run() -> None:
        clock = SystemClock()
        store = LMDBStore.open(tmp_path, stamp=lambda _: None, clock=clock, low_water=0)
        barrier = Barrier(store, clock, SOURCE)
        barrier.install(new_keyring(1, SOURCE))

        def change(number: int) -> Callable[[Transaction], None]:
            def job(transaction: Transaction) -> None:
                table = (Table.ENGINE, Table.TOKEN, Table.POLICY)[number % 3]
                transaction.put(table, b"%d" % (number // 2), b"value")
                if number % 5 == 0:
                    raise BadRequest("not this one")

            return job

        writes = [barrier.write(change(number), request_id=str(number)) for number in range(100)]
        done = await asyncio.gather(*writes, return_exceptions=True)
        failed = [isinstance(each, BadRequest) for each in done]
        assert failed == [number % 5 == 0 for number in range(100)]
        with barrier.snapshot() as view:
            assert [each for checked in barrier.scrub(view) for each in checked.findings] == []
            entries = read_entries(view.raw, 0)
        assert [entry.position for entry in entries] == list(range(1, 81))
        kept = [str(number) for number in range(100) if number % 5]
        assert [entry.request_id for entry in entries] == kept
        await store.close()

    asyncio.run(run())


@on_loop
async def test_outbox_rows_are_removed_later_and_nothing_else(at: Fixture) -> None:
    await at.put(Table.OUTBOX, (b"event", b"1"))

    def remove(transaction: Transaction) -> None:
        transaction.delete(Table.OUTBOX, b"event")

    at.barrier.write_later(remove)
    with at.barrier.snapshot() as view:
        assert view.get(Table.OUTBOX, b"event") is None
    with pytest.raises(ValueError, match="ENGINE"):
        at.barrier.write_later(lambda transaction: transaction.put(Table.ENGINE, b"k", b"v"))


@on_loop
async def test_trimming_keeps_what_must_be_kept_and_a_chain_that_verifies(at: Fixture) -> None:
    for n in range(10):
        await at.put(Table.ENGINE, (b"%d" % n, b"v"), now_ns=n)
    assert await at.barrier.trim(Retention(entries=10, since_ns=99, size=0)) == 0
    assert await at.barrier.trim(Retention(entries=3, since_ns=4, size=1 << 20)) == 4
    assert await at.barrier.trim(Retention(entries=3, since_ns=4, size=1 << 20)) == 0
    with at.barrier.snapshot() as view:
        assert [entry.position for entry in read_entries(view.raw, 0)] == [5, 6, 7, 8, 9, 10]
    assert await at.barrier.trim(Retention(entries=1, since_ns=0, size=0), batch=2) == 2
    assert at.findings() == []
    assert await at.barrier.trim(Retention(entries=0, since_ns=0, size=0)) == 4
    assert at.findings() == []
    await at.put(Table.ENGINE, (b"more", b"v"), now_ns=3)
    with at.barrier.snapshot() as view:
        assert [entry.position for entry in read_entries(view.raw, 0)] == [11]
        assert at.barrier.floor_ns(view) == 9


async def busy(at: Fixture) -> None:
    """A store with rows in several tables and a log of twelve entries."""
    await at.store.write(
        lambda raw: write_meta(
            raw, MetaRow.KEYRING, wrap_keyring(at.keyring, ROOT, SOURCE), at.keyring
        )
    )
    for n in range(10):
        await at.put(Table.ENGINE, (b"e%d" % n, b"value"), (b"f%d" % n, b"value"), now_ns=n)
    await at.put(Table.POLICY, (b"p", b"policy"), now_ns=20)
    await at.put(Table.OUTBOX, (b"o", b"event"))
    await at.barrier.write(lambda transaction: transaction.delete(Table.ENGINE, b"e3"), now_ns=30)


@on_loop
async def test_a_scrub_of_sound_rows_finds_nothing(at: Fixture) -> None:
    await busy(at)
    assert at.findings() == []


@on_loop
async def test_missing_added_and_rolled_back_rows_are_found(at: Fixture) -> None:
    await busy(at)
    sound = dict(at.store.dump())
    key = b"\x40e5"
    at.replace(key, None)
    assert Finding("ENGINE", b"", "has 18 rows where 19 were counted") in at.findings()
    at.store.load(sound.items())
    await at.put(Table.ENGINE, (b"e5", b"newer"))
    at.replace(key, sound[key])
    assert at.findings() == [Finding("ENGINE", b"", "has not the rows that were written")]
    at.store.load(sound.items())
    await at.barrier.write(lambda transaction: transaction.delete(Table.ENGINE, b"e5"))
    at.replace(key, sound[key])
    assert at.findings() == [Finding("ENGINE", b"", "has 19 rows where 18 were counted")]


@on_loop
async def test_a_table_rolled_back_with_its_sum_is_found(at: Fixture) -> None:
    await busy(at)
    old = dict(at.store.dump())
    await at.put(Table.POLICY, (b"p", b"tightened"))
    for key in (b"\x12p", b"\x02\x12"):
        at.replace(key, old[key])
    assert at.findings() == [Finding("POLICY", b"", "is older than the log")]


@on_loop
async def test_without_the_logs_head_no_time_is_believed(at: Fixture) -> None:
    await busy(at)
    at.replace(HEAD, None)
    with at.barrier.snapshot() as view, pytest.raises(Tampered, match="no head"):
        at.barrier.floor_ns(view)


@on_loop
async def test_an_edited_deleted_or_reordered_log_is_found(at: Fixture) -> None:
    await busy(at)
    sound = dict(at.store.dump())
    fourth, fifth = sound[entry_key(4)], sound[entry_key(5)]
    for changes in (
        {entry_key(4): None},
        {entry_key(12): None},
        {entry_key(1): None},
        {entry_key(4): fifth, entry_key(5): fourth},
        {entry_key(4): fourth[:-1] + bytes([fourth[-1] ^ 1])},
        {entry_key(13): fifth},
    ):
        for key, value in changes.items():
            at.replace(key, value)
        assert "LOG" in {finding.table for finding in at.findings()}
        at.store.load(sound.items())
    assert at.findings() == []


@on_loop
async def test_every_flipped_byte_is_named_and_none_serves_wrong_data(at: Fixture) -> None:
    await busy(at)
    sound = at.store.dump()
    values = plaintexts(at)
    draw = secrets.SystemRandom()
    for _ in range(300):
        key, row = draw.choice(sound)
        place = draw.randrange(len(row))
        damaged = bytearray(row)
        damaged[place] ^= draw.randrange(1, 256)
        at.replace(key, bytes(damaged))
        findings = at.findings()
        assert findings
        if Table(key[0]) in ENCRYPTED:
            named = {(Table[finding.table], finding.key) for finding in findings}
            assert (Table(key[0]), key[1:]) in named
        assert differing(at, values) <= {key}
        at.store.load(sound)


def differing(at: Fixture, values: dict[bytes, bytes]) -> set[bytes]:
    """The raw keys of rows that are refused; a row that opens has the right value."""
    refused = set()
    with at.open(at.keyring).snapshot() as view:
        for place, value in values.items():
            try:
                opened = view.get(Table(place[0]), place[1:])
            except (Tampered, UnknownTerm):
                refused.add(place)
            else:
                assert opened == value
    return refused


def plaintexts(at: Fixture) -> dict[bytes, bytes]:
    """Every encrypted row, opened."""
    found: dict[bytes, bytes] = {}
    with at.barrier.snapshot() as view:
        for table in (Table.ENGINE, Table.POLICY, Table.OUTBOX):
            found |= {bytes([table]) + key: value for key, value in view.scan(table, b"")}
    return found


@on_loop
async def test_a_row_outside_all_tables_is_found(at: Fixture) -> None:
    await busy(at)
    for key in (b"\x05stranger", b"\x41stranger", b"\xfestranger"):
        at.replace(key, b"x")
        assert at.findings() == [Finding("none", key, "is in no table")]
        at.replace(key, None)


@on_loop
async def test_rows_of_the_seal_are_replaced_only_where_the_expected_ones_stand(
    at: Fixture,
) -> None:
    await busy(at)
    newer = at.keyring.rotated(2, SOURCE)
    blob = wrap_keyring(newer, ROOT, SOURCE)
    with at.store.snapshot() as rows:
        change = change_of(rows, {MetaRow.KEYRING: blob, MetaRow.RECOVERY_KEY: None}, newer)
        assert not change.made_in(rows)
    await at.barrier.write(lambda txn: txn.change_seal(change))
    with at.store.snapshot() as rows:
        assert change.made_in(rows)
        assert read_meta(rows, MetaRow.KEYRING) == blob
        assert read_meta(rows, MetaRow.SEAL_CONFIG) is None
    with pytest.raises(SealChanged):
        await at.barrier.write(lambda txn: txn.change_seal(change))
    assert at.findings() == []


@on_loop
async def test_the_memo_forgets_the_oldest_when_it_is_full(at: Fixture) -> None:
    memo = Memo(10_000)
    for n in range(100):
        memo.put((b"%d" % n, upper), bytes(100), n)
    kept = [key for key, _ in memo.entries]
    assert kept == [b"%d" % n for n in range(100 - len(kept), 100)]
    assert 5 < len(kept) < 20
    memo.put((b"99", upper), bytes(100), 1)
    assert len(memo.entries) == len(kept)
    memo.put((b"huge", upper), bytes(20_000), 1)
    assert not memo.entries
    assert at.barrier.keyring is at.keyring
