"""Each construction above the envelope, computed again from its description with SHA-256 alone."""

import asyncio
import hashlib
from functools import partial

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from custody.barrier.barrier import Barrier
from custody.barrier.keyring import (
    Keyring,
    Term,
    decode_keyring,
    derived_root,
    wrap_keyring,
)
from custody.barrier.log import HEAD, entry_key
from custody.barrier.meta import MetaRow, meta_key, write_meta
from custody.base.clock import SystemClock
from custody.base.ids import SystemSource
from custody.base.store import Table, Transaction
from custody.seals.shamir import wrap_root_key
from custody.storage.memory import MemoryStore

SCOPE = bytes(range(8))
STABLE = b"\x22" * 32
ROOT = b"\x11" * 32
KEYRING = Keyring(SCOPE, 1, STABLE, (Term(b"\x33" * 32, 7),))
SOURCE = SystemSource()


def frame(*fields: bytes) -> bytes:
    """Length-prefixed fields."""
    return b"".join(len(field).to_bytes(4, "big") + field for field in fields)


def hmac_sha256(key: bytes, data: bytes) -> bytes:
    """HMAC by its definition in RFC 2104."""
    block = key.ljust(64, b"\x00")
    inner = hashlib.sha256(bytes(byte ^ 0x36 for byte in block) + data).digest()
    return hashlib.sha256(bytes(byte ^ 0x5C for byte in block) + inner).digest()


def hkdf(secret: bytes, info: bytes) -> bytes:
    """The first block of HKDF (RFC 5869) without a salt."""
    return hmac_sha256(hmac_sha256(bytes(32), secret), info + b"\x01")


def derived(purpose: bytes, context: bytes = b"") -> bytes:
    """A derived key of the keyring under test."""
    return hkdf(STABLE, frame(b"custody keyring derived key v1", SCOPE, purpose, context))


def test_derived_keys_are_pinned() -> None:
    assert KEYRING.derive("token salt") == derived(b"token salt")
    assert KEYRING.derive("token salt", context=b"x") == derived(b"token salt", b"x")
    assert KEYRING.derive("token salt").hex() == (
        "c1ec7da9ac5d8f63594929b577e04bda6c86fba5bc32910fe77eb5594e62162f"
    )


def test_a_derived_scope_s_root_is_pinned() -> None:
    child = b"\xff" * 8
    expected = hkdf(STABLE, frame(b"custody derived scope root v1", SCOPE, child))
    assert derived_root(KEYRING, child) == expected
    assert expected.hex() == "49b61827303bf9dd40be70173110c9f7854d279d695ff68fdda3a9dd4e3dfd4f"


def test_a_wrapped_keyring_opens_by_its_description() -> None:
    blob = wrap_keyring(KEYRING, ROOT, SOURCE)
    head, nonce, sealed = blob[:17], blob[17:29], blob[29:]
    assert head == b"\x01" + SCOPE + (1).to_bytes(8, "big")
    key = hkdf(ROOT, frame(b"custody keyring wrapping key v1", SCOPE))
    opened = AESGCM(key).decrypt(nonce, sealed, frame(b"custody wrapped keyring v1", head))
    assert decode_keyring(opened) == KEYRING


def test_a_wrapped_root_key_opens_by_its_description() -> None:
    unseal_key = b"\x44" * 32
    blob = wrap_root_key(ROOT, unseal_key, SOURCE)
    key = hkdf(unseal_key, frame(b"custody shamir seal v1", b"root key"))
    place = frame(b"custody shamir seal v1", b"wrapped root key", b"\x01")
    assert blob[:1] == b"\x01"
    assert AESGCM(key).decrypt(blob[1:13], blob[13:], place) == ROOT


def put_token(key: bytes, transaction: Transaction) -> None:
    """A write of one row."""
    transaction.put(Table.TOKEN, key, b"v")


def written() -> dict[bytes, bytes]:
    """The raw rows after two commits, the second deleting one of the first's rows."""
    store = MemoryStore()

    async def run() -> None:
        barrier = Barrier(store, SystemClock(), SOURCE, shard="s")
        barrier.install(KEYRING)
        for key in (b"gone", b"kept", b"more"):
            await barrier.write(partial(put_token, key), now_ns=9)
        await barrier.write(lambda t: t.delete(Table.TOKEN, b"gone"), now_ns=10)
        await store.write(lambda raw: write_meta(raw, MetaRow.SEAL_CONFIG, b"config", KEYRING))

    asyncio.run(run())
    return dict(store.dump())


def test_the_log_is_chained_by_its_description() -> None:
    rows = written()
    key = derived(b"log entry", b"s")
    previous = bytes(32)
    for position in range(1, 5):
        row = rows[entry_key(position)]
        assert row[:32] == hmac_sha256(key, previous + row[32:])
        previous = row[:32]
    size = sum(len(rows[entry_key(position)]) for position in range(1, 5))
    body = (4).to_bytes(8, "big") + (10).to_bytes(8, "big") + previous + size.to_bytes(8, "big")
    place = frame(b"log", b"s") + frame(HEAD)
    assert rows[HEAD] == b"\x01" + body + hmac_sha256(derived(b"log point"), place + body)


def test_a_table_s_sum_is_that_of_its_rows() -> None:
    rows = written()
    key = derived(b"digest element", b"s")
    total = 0
    for place in (b"\x13kept", b"\x13more"):
        element = hmac_sha256(key, len(place).to_bytes(2, "big") + place + rows[place])
        total += int.from_bytes(element, "big")
    body = (2).to_bytes(8, "big") + (total % 2**256).to_bytes(32, "big") + (4).to_bytes(8, "big")
    name = b"\x02\x13"
    place = frame(b"digest", b"s") + frame(name)
    assert rows[name] == b"\x01" + body + hmac_sha256(derived(b"digest row"), place + body)


def test_a_meta_row_ends_in_its_mac() -> None:
    row = written()[meta_key(MetaRow.SEAL_CONFIG)]
    tag = hmac_sha256(derived(b"meta row"), frame(b"seal/config", b"config"))
    assert row == b"config" + tag
