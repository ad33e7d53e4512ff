"""What the custodian knows, and that it forgets."""

import asyncio

import pytest

from custody.barrier.barrier import Barrier
from custody.barrier.meta import MetaRow, SealChange, meta_key
from custody.base.clock import SystemClock
from custody.base.errors import BadRequest, Sealed, Unavailable
from custody.base.ids import SystemSource
from custody.base.secret import Secret
from custody.base.store import Table, Transaction
from custody.core.ceremony import AnyStep, Changing, RotateKeyring, RotateRootKey
from custody.core.ports import Initialised
from custody.seals.plan import Named, Plan
from custody.serve.keeper import Keeper, MetaRows
from custody.storage.memory import MemoryStore
from custody.testing.seal import MemoryKMS

_WRONG = (
    "unable to retrieve stored keys: invalid key: failed to decrypt keys from storage: "
    "cipher: message authentication failed"
)


async def _first_rows(barrier: Barrier) -> Secret[str]:
    def write(txn: Transaction) -> None:
        txn.put(Table.SETTING, b"planted", b"a plaintext")

    await barrier.write(write)
    return Secret("the-root-token")


def _keeper() -> Keeper:
    return Keeper(_first_rows, SystemClock(), SystemSource())


def _made(shares: int = 3, threshold: int = 2) -> Initialised:
    return asyncio.run(_keeper().initialise(shares, threshold))


def _add(keeper: Keeper, share: bytes, rows: MetaRows) -> bool:
    return asyncio.run(keeper.add_share(share, rows)).opened


def _unsealed(made: Initialised) -> Keeper:
    keeper = _keeper()
    for share in made.shares:
        if _add(keeper, share.reveal(), made.rows):
            return keeper
    raise AssertionError("the shares do not unseal")


def test_initialising_keeps_nothing_and_shows_no_key_in_a_row() -> None:
    keeper = _keeper()
    made = asyncio.run(keeper.initialise(1, 1))
    assert keeper.keyring is None
    assert keeper.status().sealed
    share = made.shares[0].reveal()
    assert len(share) == 32
    for key, value in made.rows:
        assert share not in value
        assert b"a plaintext" not in value
        assert b"the-root-token" not in key + value


@pytest.mark.parametrize(
    ("shares", "threshold", "reason"),
    [
        (2, 3, "threshold cannot be larger than shares"),
        (3, 1, "threshold must be greater than one for multiple shares"),
        (256, 2, "shares must be less than 256"),
    ],
)
def test_numbers_that_make_no_split_are_refused(shares: int, threshold: int, reason: str) -> None:
    with pytest.raises(BadRequest, match=f"invalid seal configuration: {reason}"):
        asyncio.run(_keeper().initialise(shares, threshold))


def test_the_keyring_that_unseals_opens_the_first_rows() -> None:
    made = _made()
    keyring = _unsealed(made).keyring
    assert keyring is not None
    barrier = Barrier(MemoryStore(made.rows), SystemClock(), SystemSource())
    barrier.install(keyring)
    with barrier.snapshot() as rows:
        assert rows.get(Table.SETTING, b"planted") == b"a plaintext"


def test_progress_counts_distinct_shares_under_one_nonce_and_reset_forgets_them() -> None:
    made = _made(5, 3)
    keeper = _keeper()
    share = made.shares[0].reveal()
    assert not _add(keeper, share, made.rows)
    first = keeper.status()
    assert not _add(keeper, share, made.rows)
    assert keeper.status() == first
    assert (first.sealed, first.progress) == (True, 1)
    assert first.nonce
    keeper.reset()
    assert keeper.status().progress == 0
    assert keeper.status().nonce == ""


def test_a_wrong_full_set_says_so_and_starts_over() -> None:
    made, other = _made(), _made()
    keeper = _keeper()
    _add(keeper, made.shares[0].reveal(), made.rows)
    with pytest.raises(BadRequest) as caught:
        _add(keeper, bytes(32) + b"\x01", made.rows)
    assert caught.value.messages == (_WRONG,)
    assert keeper.status().progress == 0
    with pytest.raises(BadRequest):
        _unsealed(Initialised(made.rows, other.shares, other.root_token))


def test_a_changed_row_of_the_seal_is_refused_even_with_the_right_shares() -> None:
    made = _made(2, 2)
    rows = dict(made.rows)
    place = meta_key(MetaRow.KEYRING)
    rows[place] = rows[place][:-1] + bytes([rows[place][-1] ^ 1])
    keeper = _keeper()
    _add(keeper, made.shares[0].reveal(), rows.items())
    with pytest.raises(Unavailable, match="do not authenticate"):
        _add(keeper, made.shares[1].reveal(), rows.items())
    assert keeper.keyring is None


def test_an_empty_store_is_not_unsealed() -> None:
    with pytest.raises(Unavailable):
        _add(_keeper(), bytes(32), ())


def _take(keeper: Keeper, step: AnyStep, rows: MetaRows) -> SealChange:
    outcome = asyncio.run(keeper.take(step, rows))
    assert isinstance(outcome, Changing)
    return outcome.change


def _after(change: SealChange, rows: MetaRows) -> list[tuple[bytes, bytes]]:
    store = MemoryStore(rows)
    asyncio.run(store.write(change.apply))
    return store.dump()


def test_a_rotated_keyring_is_used_once_it_is_stored() -> None:
    made = _made()
    keeper = _unsealed(made)
    before = keeper.keyring
    assert before is not None
    change = _take(keeper, RotateKeyring(), made.rows)
    assert keeper.keyring == before
    assert keeper.install(_after(change, made.rows)).term == before.term + 1
    assert keeper.keyring is not None


def test_a_new_root_key_is_used_once_it_is_stored_and_the_shares_stay() -> None:
    made = _made()
    keeper = _unsealed(made)
    change = _take(keeper, RotateRootKey(), made.rows)
    rows = _after(change, made.rows)
    after = _take(keeper, RotateKeyring(), rows)  # sees that it is stored
    rows = _after(after, rows)
    reopened = _unsealed(Initialised(rows, made.shares, made.root_token))
    assert reopened.keyring == keeper.install(rows)


def test_nothing_is_wrapped_by_keys_that_are_not_those_on_disk() -> None:
    made = _made()
    keeper, other = _unsealed(made), _unsealed(made)
    rows = _after(_take(other, RotateRootKey(), made.rows), made.rows)
    for step in (RotateKeyring(), RotateRootKey()):
        with pytest.raises(Unavailable):
            asyncio.run(keeper.take(step, rows))


def test_after_forgetting_there_is_no_key_to_rotate_or_install() -> None:
    made = _made()
    keeper = _unsealed(made)
    keeper.forget()
    assert keeper.status().sealed
    with pytest.raises(Sealed):
        asyncio.run(keeper.take(RotateKeyring(), made.rows))
    with pytest.raises(Sealed):
        keeper.install(made.rows)


async def test_after_forgetting_no_migration_opens_that_was_made_before() -> None:
    made = await _keeper().initialise(1, 1)
    kms = MemoryKMS()
    keeper = Keeper(_first_rows, SystemClock(), SystemSource(), kms, Plan(Named(kms.kind)))
    share = made.shares[0].reveal()
    change = (await keeper.add_share(share, made.rows, migrate=True)).change
    assert change is not None
    store = MemoryStore(made.rows)
    await store.write(change.apply)
    keeper.forget()
    with pytest.raises(Unavailable, match="not what is stored"):
        keeper.open_migrated(store.dump())
    assert keeper.status().sealed


async def test_a_new_root_key_that_a_silent_seal_wraps_after_forgetting_is_forgotten_too() -> None:
    kms = MemoryKMS()
    keeper = Keeper(_first_rows, SystemClock(), SystemSource(), kms, Plan(Named(kms.kind)))
    made = await keeper.initialise(1, 1)
    await keeper.add_share(made.shares[0].reveal(), made.rows)
    kms.fall_silent()
    taking = asyncio.create_task(keeper.take(RotateRootKey(), made.rows))
    await kms.asked.wait()
    keeper.forget()
    kms.speak()
    with pytest.raises(Sealed):
        await taking
