"""A member's line to the custodian: `core.ports.Custodian` over the inherited socketpair."""

from collections.abc import Awaitable, Callable, Mapping
from typing import TypeVar

from custody.barrier.keyring import Keyring, decode_keyring
from custody.base.errors import BadRequest, Unavailable
from custody.base.secret import Secret
from custody.core.ceremony import AnyOutcome, AnyStep
from custody.core.ports import Initialised, SealStatus, Unsealing
from custody.serve import messages as m
from custody.serve.channel import Channel

R = TypeVar("R", bound=m.Result)

Take = Callable[[Keyring], Awaitable[None]]
Drop = Callable[[], Awaitable[None]]


class CustodianLink:
    """Calls to the custodian, and the two calls that it makes."""

    def __init__(self, take: Take, drop: Drop) -> None:
        """`take` is given every keyring, the one at hello too; `drop` is called at seal."""
        self._take = take
        self._drop = drop
        self._channel: Channel | None = None

    def connect(self, channel: Channel) -> None:
        """Use `channel`, whose calls go to `handle`."""
        self._channel = channel

    async def handle(self, call: m.Call) -> m.Result:
        """Answer a call of the custodian's."""
        match call:
            case m.TakeKeyring(keyring=data):
                await self._take(decode_keyring(data))
            case m.DropKeyring():
                await self._drop()
            case _:
                raise BadRequest("the custodian does not call this")
        return m.Done()

    async def hello(self, role: str, slot: int) -> None:
        """Join the node; when this returns, this process is unsealed if the node is."""
        welcome = await self._call(m.Hello(role, slot), m.Welcome)
        if welcome.keyring is not None:
            await self._take(decode_keyring(welcome.keyring))

    async def status(self) -> SealStatus:
        """Where the unseal stands."""
        return _status(await self._call(m.GetStatus(), m.Status))

    async def initialise(self, shares: int, threshold: int) -> Initialised:
        """The first rows, the shares, the root token. Raises BadRequest."""
        made = await self._call(m.Initialise(shares, threshold), m.Made)
        return Initialised(
            made.rows, [Secret(share) for share in made.shares], Secret(made.root_token)
        )

    async def unseal(
        self, share: Secret[bytes], meta: Mapping[bytes, bytes], *, migrate: bool = False
    ) -> Unsealing:
        """Add a share. Raises BadRequest, Unavailable."""
        call = m.Unseal(share.reveal(), list(meta.items()), migrate)
        answer = await self._call(call, m.Status)
        return Unsealing(_status(answer), answer.change)

    async def open_migrated(self, meta: Mapping[bytes, bytes]) -> SealStatus:
        """Open with the rows of a migration. Raises Unavailable."""
        return _status(await self._call(m.OpenMigrated(list(meta.items())), m.Status))

    async def unseal_automatically(self, meta: Mapping[bytes, bytes]) -> bool:
        """Open by the automatic seal. Raises Unavailable."""
        call = m.UnsealAutomatically(list(meta.items()))
        return (await self._call(call, m.Opened)).outdated

    async def reset(self) -> SealStatus:
        """Forget the shares. Raises BadRequest when unsealed."""
        return _status(await self._call(m.Reset(), m.Status))

    async def seal(self) -> None:
        """Every process drops its keys before this returns; then all are started anew."""
        await self._call(m.Seal(), m.Done)

    async def take(self, step: AnyStep, meta: Mapping[bytes, bytes]) -> AnyOutcome:
        """Take a step of a ceremony. Raises Sealed, BadRequest, Unavailable."""
        return (await self._call(m.Take(step, list(meta.items())), m.Taken)).outcome

    async def set_level(self, logger: str, level: str) -> None:
        """Have every process log at this level."""
        await self._call(m.SetLevel(logger, level), m.Done)

    async def restart(self) -> None:
        """Have every process but the custodian's started anew."""
        await self._call(m.Restart(), m.Done)

    async def install(self, meta: Mapping[bytes, bytes]) -> None:
        """Hand the stored keyring to every process. Raises Sealed, Unavailable."""
        await self._call(m.Install(list(meta.items())), m.Done)

    async def _call(self, call: m.Call, kind: type[R]) -> R:
        if self._channel is None:
            raise Unavailable("there is no custodian yet")
        result = await self._channel.call(call)
        if not isinstance(result, kind):
            raise Unavailable("the custodian answered something else")
        return result


def _status(status: m.Status) -> SealStatus:
    return SealStatus(
        status.sealed, status.progress, status.nonce, status.error, status.unhealthy_ns
    )
