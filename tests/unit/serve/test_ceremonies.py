"""The ceremonies of an open node, taken step by step."""

import pytest

from custody.barrier.barrier import Barrier
from custody.barrier.keyring import unwrap_keyring
from custody.barrier.meta import MetaRow
from custody.base.clock import SystemClock
from custody.base.errors import Unavailable
from custody.base.ids import SystemSource
from custody.base.secret import Secret
from custody.core import ceremony
from custody.crypto import aead
from custody.seals.shamir import ShamirSeal, unwrap_root_key
from custody.serve.ceremonies import Ceremonies
from custody.serve.held import Held, stored
from custody.serve.keeper import Keeper
from custody.storage.memory import MemoryStore


async def _no_rows(_barrier: Barrier) -> Secret[str]:
    return Secret("the-root-token")


async def test_a_quorum_that_cannot_be_proved_is_collected_anew() -> None:
    clock, source = SystemClock(), SystemSource()
    made = await Keeper(_no_rows, clock, source).initialise(1, 1)
    share = made.shares[0].reveal()
    with MemoryStore(made.rows).snapshot() as rows:
        root_key = unwrap_root_key(stored(rows, MetaRow.ROOT_KEY), share)
        keyring = unwrap_keyring(stored(rows, MetaRow.KEYRING), root_key)
        seal = ShamirSeal(share, source)
        others = Held(source.random(aead.KEY_SIZE), keyring, seal)
        ceremonies = Ceremonies(clock, source)
        started = await ceremonies.take(ceremony.StartRootGeneration(), others, rows)
        assert isinstance(started, ceremony.RootGenerating)
        give = ceremony.GiveRootShare(share, started.nonce)
        with pytest.raises(Unavailable, match="not the one in use"):
            await ceremonies.take(give, others, rows)
        given = await ceremonies.take(give, Held(root_key, keyring, seal), rows)
    assert isinstance(given, ceremony.RootGenerating)
    assert given.token
