"""Automatic seals: opening without people, recovery shares that recover, and migrations."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from custody.base.clock import rfc3339
from custody.base.errors import BadRequest, Unavailable
from custody.base.ids import SystemSource
from custody.base.secret import Secret
from custody.core.jobs.unseal import Unseal
from custody.seals.plan import Named
from custody.seals.seal import CannotUnseal, Seal, SealUnavailable
from custody.seals.static import StaticSeal
from custody.storage.memory import MemoryStore
from custody.testing.seal import MemoryKMS
from custody.testing.server import MemoryServer

DATA = {"data": {"user": "u"}}


class Node(MemoryServer):
    """A node over rows that outlive it, under any seal; it is started anew by making another."""

    def __init__(
        self, store: MemoryStore, seal: Seal | None, given_up: Sequence[Named] = ()
    ) -> None:
        super().__init__(store=store, seal=seal, given_up=given_up)
        self.recovery: list[str] = []

    async def begin(self, shares: int = 3, threshold: int = 2) -> None:
        """Initialise with recovery shares, open, and write a secret."""
        body = {"recovery_shares": shares, "recovery_threshold": threshold}
        made = (await self.expect(200, "PUT", "sys/init", body=body)).json
        self.recovery, self.root_token = made.get("recovery_keys", []), made["root_token"]
        await self.open()
        await self.fill()

    async def fill(self) -> None:
        """Write a secret."""
        await self.mount("secret", "kv-v2")
        await self.expect(200, "POST", "secret/data/a", token=self.root_token, body=DATA)

    async def open(self) -> None:
        """What the steward does while the node is sealed."""
        await Unseal(self.node.parts).run()

    async def status(self) -> Any:
        """The seal's status."""
        return (await self.expect(200, "GET", "sys/seal-status")).json

    async def give(self, shares: Sequence[str], **more: Any) -> Any:
        """Unseal with these shares; the last answer."""
        answers = [
            await self.expect(200, "PUT", "sys/unseal", body={"key": share, **more})
            for share in shares
        ]
        return answers[-1].json

    async def submit(self, path: str, shares: Sequence[str], nonce: str) -> Any:
        """Give these shares to a ceremony; the last answer."""
        answers = [
            await self.expect(200, "PUT", path, body={"key": share, "nonce": nonce})
            for share in shares
        ]
        return answers[-1].json

    async def reads(self, token: str) -> bool:
        """Whether the secret is there."""
        answer = await self.expect(200, "GET", "secret/data/a", token=token)
        return bool(answer.data["data"] == DATA["data"])


def static(name: str = "a", *more: str) -> StaticSeal:
    """A static seal whose keys are made of their ids."""
    keys = {one: one.encode() * 32 for one in (name, *more)}
    return StaticSeal(name, keys, SystemSource())


async def test_a_node_opens_by_its_seal_when_it_starts_again() -> None:
    store = MemoryStore()
    first = Node(store, static())
    await first.begin()
    again = Node(store, static())
    assert (await again.status())["sealed"]
    await again.open()
    assert await again.reads(first.root_token)


async def test_what_status_says_of_an_automatic_seal() -> None:
    node = Node(MemoryStore(), static())
    fresh = await node.status()
    assert (fresh["type"], fresh["recovery_seal"], fresh["recovery_seal_type"]) == (
        "static", True, "shamir"
    )  # fmt: skip
    await node.begin()
    status = await node.status()
    assert (status["t"], status["n"], status["sealed"], status["migration"]) == (2, 3, False, False)
    assert "unseal_error" not in status


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({"secret_shares": 3, "secret_threshold": 2},
         "parameters secret_shares,secret_threshold not applicable to seal type static"),
        ({"recovery_shares": 3, "recovery_threshold": 4},
         "invalid recovery configuration: threshold cannot be larger than shares"),
        ({"recovery_shares": 3, "recovery_threshold": 1},
         "invalid recovery configuration: threshold must be greater than one for multiple shares"),
    ],
)  # fmt: skip
async def test_what_initialisation_refuses_under_an_automatic_seal(
    body: dict[str, int], text: str
) -> None:
    node = Node(MemoryStore(), static())
    assert (await node.expect(400, "PUT", "sys/init", body=body)).errors == [text]


async def test_initialisation_answers_with_recovery_keys_in_place_of_unseal_keys() -> None:
    node = Node(MemoryStore(), static())
    body = {"recovery_shares": 3, "recovery_threshold": 2, "stored_shares": 1}
    made = (await node.expect(200, "PUT", "sys/init", body=body)).json
    assert (made["keys"], made["keys_base64"]) == ([], [])
    assert len(made["recovery_keys"]) == len(made["recovery_keys_base64"]) == 3
    none = Node(MemoryStore(), static())
    made = (await none.expect(200, "PUT", "sys/init", body={})).json
    assert made.keys() == {"keys", "keys_base64", "root_token"}


async def test_a_store_is_not_initialised_by_a_kms_that_does_not_answer() -> None:
    store, kms = MemoryStore(), MemoryKMS()
    node = Node(store, kms)
    kms.reachable = False
    refused = await node.expect(503, "PUT", "sys/init", body={})
    assert refused.errors == ["the KMS does not answer"]
    assert store.dump() == []


async def test_recovery_shares_open_the_store_when_the_kms_is_gone_for_good() -> None:
    store, kms = MemoryStore(), MemoryKMS()
    first = Node(store, kms)
    await first.begin(5, 3)
    kms.destroy()
    again = Node(store, kms)
    with pytest.raises(CannotUnseal):
        await again.open()
    status = await again.status()
    assert (status["sealed"], status["unseal_error"]) == (True, "the KMS has no such key")
    assert (await again.give(first.recovery[:2]))["progress"] == 2
    opened = await again.give(first.recovery[4:])
    assert (opened["sealed"], "unseal_error" in opened) == (False, False)
    assert await again.reads(first.root_token)


async def test_wrong_recovery_shares_open_nothing() -> None:
    store, kms = MemoryStore(), MemoryKMS()
    first = Node(store, kms)
    await first.begin()
    other = Node(MemoryStore(), kms)
    await other.begin()
    again = Node(store, kms)
    await again.give(other.recovery[:1])
    answer = await again.expect(400, "PUT", "sys/unseal", body={"key": other.recovery[1]})
    assert answer.errors == [
        "recovery key verification failed: recovery key does not match submitted values"
    ]
    assert (await again.status())["progress"] == 0


async def test_a_kms_that_does_not_answer_is_asked_again_until_it_does() -> None:
    store, kms = MemoryStore(), MemoryKMS()
    first = Node(store, kms)
    await first.begin()
    again = Node(store, kms)
    kms.reachable = False
    for _ in range(2):
        with pytest.raises(SealUnavailable):
            await again.open()
    assert (await again.status())["unseal_error"] == "the KMS does not answer"
    kms.reachable = True
    await again.open()
    assert not (await again.status())["sealed"]


async def test_a_node_that_somebody_sealed_opens_by_recovery_shares_and_not_by_itself() -> None:
    kms = MemoryKMS()
    node = Node(MemoryStore(), kms)
    await node.begin()
    await node.seal()
    asked = kms.calls
    await node.open()
    assert (await node.status())["sealed"]
    assert kms.calls == asked
    await node.give(node.recovery[:2])
    assert await node.reads(node.root_token)


async def test_without_recovery_shares_nobody_can_open_it_by_hand() -> None:
    node = Node(MemoryStore(), MemoryKMS())
    await node.begin(0, 0)
    await node.seal()
    answer = await node.expect(400, "PUT", "sys/unseal", body={"key": "00" * 32})
    assert "there are no recovery shares" in answer.errors[0]


async def test_a_new_static_key_takes_over_what_the_previous_one_wrapped() -> None:
    store = MemoryStore()
    first = Node(store, static("a"))
    await first.begin()
    await Node(store, static("b", "a")).open()
    alone = Node(store, static("b"))
    await alone.open()
    assert await alone.reads(first.root_token)
    lost = Node(store, static("b"))
    await lost.give(first.recovery[:2])
    assert await lost.reads(first.root_token)


async def test_recovery_shares_make_a_root_token_and_new_recovery_shares() -> None:
    store, kms = MemoryStore(), MemoryKMS()
    node = Node(store, kms)
    await node.begin()
    started = (await node.expect(200, "PUT", "sys/generate-root/attempt")).json
    made = await node.submit("sys/generate-root/update", node.recovery[:2], started["nonce"])
    assert made["complete"]
    body = {"secret_shares": 4, "secret_threshold": 3}
    started = (await node.expect(200, "PUT", "sys/rekey-recovery-key/init", body=body)).json
    path = "sys/rekey-recovery-key/update"
    made = await node.submit(path, node.recovery[1:], started["nonce"])
    assert len(made["keys"]) == 4
    kms.destroy()
    old, new = Node(store, kms), Node(store, kms)
    await old.expect(200, "PUT", "sys/unseal", body={"key": node.recovery[0]})
    await old.expect(200, "PUT", "sys/unseal", body={"key": node.recovery[1]})
    await old.expect(400, "PUT", "sys/unseal", body={"key": node.recovery[2]})
    await new.give(made["keys"][:3])
    assert await new.reads(node.root_token)


@pytest.mark.parametrize("path", ["sys/rotate/root", "sys/rotate/keyring"])
async def test_after_a_rotation_the_kms_and_the_recovery_shares_both_open(path: str) -> None:
    store, kms = MemoryStore(), MemoryKMS()
    node = Node(store, kms)
    await node.begin()
    await node.expect(204, "POST", path, token=node.root_token)
    by_seal, by_people = Node(store, kms), Node(store, kms)
    await by_seal.open()
    assert await by_seal.reads(node.root_token)
    await by_people.give(node.recovery[:2])
    assert await by_people.reads(node.root_token)


async def test_a_rekey_of_the_barrier_key_under_an_automatic_seal_has_no_shares() -> None:
    store, kms = MemoryStore(), MemoryKMS()
    node = Node(store, kms)
    await node.begin()
    before = dict(store.dump())
    started = (await node.expect(200, "PUT", "sys/rekey/init", body={})).json
    made = await node.submit("sys/rekey/update", node.recovery[:2], started["nonce"])
    assert (made["complete"], made["keys"]) == (True, [])
    assert dict(store.dump())[b"\x00seal/root-key"] != before[b"\x00seal/root-key"]
    await Node(store, kms).open()


@pytest.mark.parametrize("path", ["sys/rotate/root", "sys/rekey-recovery-key/update"])
async def test_what_needs_a_kms_that_does_not_answer_changes_nothing(path: str) -> None:
    store, kms = MemoryStore(), MemoryKMS()
    node = Node(store, kms)
    await node.begin(1, 1)
    body = {"secret_shares": 1, "secret_threshold": 1}
    started = (await node.expect(200, "PUT", "sys/rekey-recovery-key/init", body=body)).json
    kms.reachable = False
    before = {key: row for key, row in store.dump() if key.startswith(b"\x00seal/")}
    sent = {"key": node.recovery[0], "nonce": started["nonce"]}
    await node.expect(503, "PUT", path, token=node.root_token, body=sent)
    assert before == {key: row for key, row in store.dump() if key.startswith(b"\x00seal/")}
    kms.reachable = True
    await node.call("PUT", path, token=node.root_token, body=sent)
    await Node(store, kms).open()


KINDS = ("shamir", "static", "memory")


def seal_of(kind: str) -> Seal | None:
    """A seal of that kind."""
    return {"shamir": None, "static": static(), "memory": MemoryKMS()}[kind]


async def begun(store: MemoryStore, seal: Seal | None) -> Node:
    """A node under that seal with three shares, two of which are enough, and a secret."""
    node = Node(store, seal)
    if seal is not None:
        await node.begin()
        return node
    body = {"secret_shares": 3, "secret_threshold": 2}
    made = (await node.expect(200, "PUT", "sys/init", body=body)).json
    node.recovery, node.root_token = made["keys"], made["root_token"]
    await node.give(node.recovery[:2])
    await node.fill()
    return node


@pytest.mark.parametrize(
    ("kind", "to"), [(one, other) for one in KINDS for other in KINDS if one != other]
)
async def test_share_holders_move_a_store_from_any_seal_to_any_other(kind: str, to: str) -> None:
    store = MemoryStore()
    first = await begun(store, seal_of(kind))
    seal = seal_of(to)  # the old one, its key too, is gone
    moving = Node(store, seal, [] if kind == "shamir" else [Named(kind)])
    status = await moving.status()
    assert (status["migration"], status["type"], status["sealed"]) == (True, to, True)
    await moving.open()
    assert (await moving.status())["sealed"]
    refused = await moving.expect(400, "PUT", "sys/unseal", body={"key": first.recovery[0]})
    assert refused.errors == ["migrate option not provided and seal migration is pending"]
    one = await moving.give(first.recovery[:1], migrate=True)
    assert (one["progress"], one["migration"]) == (1, True)
    done = await moving.give(first.recovery[1:2], migrate=True)
    assert (done["sealed"], done["migration"], done["n"], done["t"]) == (False, False, 3, 2)
    assert await moving.reads(first.root_token)
    after = Node(store, seal)
    await after.open()
    if to == "shamir":
        await after.give(first.recovery[1:])
    assert await after.reads(first.root_token)
    by_shares = Node(store, seal)
    await by_shares.give(first.recovery[::2])  # the shares are the same
    assert await by_shares.reads(first.root_token)
    await by_shares.expect(204, "POST", "sys/rotate/root", token=first.root_token)


async def test_two_keys_of_one_kind_are_told_apart_by_the_stanza_that_gives_one_up() -> None:
    store, old, new = MemoryStore(), MemoryKMS(identity="old"), MemoryKMS(identity="new")
    first = Node(store, old)
    await first.begin()
    moving = Node(store, new, [Named("memory", "old")])
    assert (await moving.status())["migration"]
    await moving.give(first.recovery[:2], migrate=True)
    after = Node(store, new, [Named("memory", "old")])
    assert not (await after.status())["migration"]
    await after.open()
    assert await after.reads(first.root_token)


async def test_a_store_whose_seal_the_configuration_does_not_name_says_so() -> None:
    store = MemoryStore()
    first = Node(store, static())
    await first.begin()
    other = Node(store, None)
    body = {"key": first.recovery[0], "migrate": True}
    answer = await other.expect(400, "PUT", "sys/unseal", body=body)
    assert answer.errors == ["can't perform a seal migration, no migration seal found"]
    answer = await other.expect(400, "PUT", "sys/unseal", body={"key": first.recovery[0]})
    assert "sealed by static, which is not configured" in answer.errors[0]


@pytest.mark.parametrize("configured", [MemoryKMS(), None])
async def test_a_store_under_another_seal_than_the_configured_one_says_so_unasked(
    configured: Seal | None,
) -> None:
    store = MemoryStore()
    await Node(store, static()).begin()
    other = Node(store, configured)
    with pytest.raises(BadRequest, match="sealed by static, which is not configured"):
        await other.open()
    status = await other.status()
    assert (status["sealed"], status["migration"]) == (True, False)
    assert status["unseal_error"].startswith("the store is sealed by static, which is not")


async def test_where_share_holders_open_the_store_nothing_is_said_against_that() -> None:
    store = MemoryStore()
    node = Node(store, None)
    await node.open()
    assert "unseal_error" not in await node.status()
    await node.initialise()
    assert "unseal_error" not in await node.status()
    again = Node(store, None)
    await again.open()
    assert "unseal_error" not in await again.status()


async def test_a_migration_cut_off_before_its_rows_are_stored_has_not_happened() -> None:
    store, kms = MemoryStore(), MemoryKMS()
    first = await begun(store, None)
    before = store.dump()
    moving = Node(store, kms)
    kms.reachable = False
    await moving.give(first.recovery[:1], migrate=True)
    body = {"key": first.recovery[1], "migrate": True}
    await moving.expect(503, "PUT", "sys/unseal", body=body)
    assert store.dump() == before
    again = Node(store, None)
    await again.give(first.recovery[:2])
    assert await again.reads(first.root_token)


async def test_a_migration_cut_off_after_its_rows_are_stored_has_happened() -> None:
    store, kms = MemoryStore(), MemoryKMS()
    first = await begun(store, None)
    moving = Node(store, kms)
    custodian, front = moving.custodian, moving.node.front
    unsealings = [
        await custodian.unseal(Secret(bytes.fromhex(share)), front.meta(), migrate=True)
        for share in first.recovery[:2]
    ]
    change = unsealings[-1].change
    assert change is not None
    await store.write(change.apply)  # and here it dies
    again = Node(store, kms)
    await again.open()
    assert await again.reads(first.root_token)
    with pytest.raises(Unavailable):
        await asyncio.wait_for(Node(store, kms).custodian.open_migrated(front.meta()), 5)


async def test_anybody_is_told_whether_the_key_of_the_seal_answers() -> None:
    kms = MemoryKMS()
    node, path = Node(MemoryStore(), kms), "sys/seal-backend-status"
    well = {"name": "memory", "healthy": True, "configured": True, "disabled": False}
    answer = await node.expect(200, "GET", path)
    assert answer.json == {"healthy": True, "backends": [well], "fully_wrapped": True}
    await node.begin()
    kms.reachable = False
    await node.custodian.look_at_seal()
    calls = kms.calls
    since = rfc3339(node.clock.now_ns())[:19] + "Z"
    ill = {**well, "healthy": False, "unhealthy_since": since}
    answer = await node.expect(200, "GET", path)
    assert answer.json == {
        "healthy": False, "unhealthy_since": since, "backends": [ill], "fully_wrapped": True,
    }  # fmt: skip
    assert kms.calls == calls  # whoever asks makes no work for the KMS
    kms.reachable = True
    await node.custodian.look_at_seal()
    assert (await node.expect(200, "GET", path)).json["healthy"] is True


async def test_shares_of_people_are_a_seal_that_is_always_healthy() -> None:
    async with MemoryServer() as server:
        answer = await server.expect(200, "GET", "sys/seal-backend-status")
        assert answer.json["backends"] == [
            {"name": "shamir", "healthy": True, "configured": True, "disabled": False}
        ]


async def test_a_store_that_waits_for_another_seal_is_not_wrapped_whole() -> None:
    store, old = MemoryStore(), MemoryKMS("old")
    await Node(store, old).begin()
    moving = Node(store, MemoryKMS("new"), [Named("old")])
    answer = await moving.expect(200, "GET", "sys/seal-backend-status")
    assert (answer.json["backends"][0]["name"], answer.json["fully_wrapped"]) == ("new", False)
