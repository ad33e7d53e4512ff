"""The ceremonies of an open node: rekeys, the making of a root token, and changes without shares.

Their whole state is here, in the custodian's memory, and ends with the node's being open. What
was made but is not seen stored yet is remembered, so that the keys in use follow the rows.
"""

from collections import deque
from typing import Final

from msgspec.structs import replace

from custody.base.clock import NANOSECOND, Clock
from custody.base.errors import BadRequest, CustodyError
from custody.base.ids import Source
from custody.base.store import RawRows
from custody.core import ceremony as c
from custody.seals.config import SealConfig, Split
from custody.seals.quorum import InvalidKey
from custody.serve import held as keys
from custody.serve.held import Held, Replacement
from custody.serve.rekey import Rekey
from custody.serve.root_generation import RootGeneration

_AGAIN_NS: Final = 60 * NANOSECOND  # for so long the last share's answer may be asked for again
_OUTSTANDING: Final = 64  # replacements handed out and not seen stored
_READING_FAILED: Final = ("unable to retrieve stored keys", "failed to read root key")


class Ceremonies:
    """Takes steps. `held` is given anew with each: it is the keeper's."""

    def __init__(self, clock: Clock, source: Source) -> None:
        self._clock = clock
        self._source = source
        self._rekeys: dict[c.Target, Rekey] = {}
        self._finished: dict[c.Target, tuple[Rekey, int]] = {}  # and since when, in boot time
        self._root: RootGeneration | None = None
        self._outstanding: deque[tuple[Replacement, c.Target | None]] = deque(maxlen=_OUTSTANDING)

    def clear(self) -> None:
        """The node is sealed: forget everything."""
        self._rekeys.clear()
        self._finished.clear()
        self._outstanding.clear()
        self._root = None

    def seen(self, rows: RawRows) -> Held | None:
        """The keys that are valid if one of the changes handed out is made in `rows`."""
        for replacement, target in self._outstanding:
            if replacement.change.made_in(rows):
                self._outstanding.clear()  # the others were made for rows that are gone
                if target is not None and target in self._rekeys:
                    finished = self._rekeys.pop(target)
                    self._finished[target] = (finished, self._clock.boot_ns())
                return replacement.held
        return None

    async def take(  # noqa: PLR0911 - one line per step
        self, step: c.AnyStep, held: Held, rows: RawRows
    ) -> c.AnyOutcome:
        """The answer to one step. Raises BadRequest, Unavailable."""
        match step:
            case c.RotateRootKey():
                return self._handed_out(await keys.with_new_root_key(rows, held, self._source))
            case c.RotateKeyring():
                now_ns = self._clock.now_ns()
                return self._handed_out(keys.with_next_term(rows, held, now_ns, self._source))
            case c.StartRootGeneration():
                return self._start_root(step, rows)
            case c.GiveRootShare():
                return self._give_root(step, held, rows)
            case c.LookAtRootGeneration():
                return self._root_standing(rows)
            case c.CancelRootGeneration():
                self._root = None
                return self._root_standing(rows)
            case _:
                return await self._take_rekey(step, held, rows)

    async def _take_rekey(self, step: c.RekeyStep, held: Held, rows: RawRows) -> c.Rekeying:
        match step:
            case c.StartRekey():
                return self._start(step, rows)
            case c.GiveRekeyShare():
                return await self._give(step, held, rows)
            case c.VerifyShare():
                return await self._verify(step, held, rows)
            case c.RestartVerification():
                self._rekey(step.target, rows).restart_verification()
                return self._look(step.target, rows)
            case c.CancelRekey():
                return self._cancel(step.target, rows)
            case c.LookAtRekey():
                return self._look(step.target, rows)

    def _handed_out(self, made: Replacement) -> c.Changing:
        self._outstanding.append((made, None))
        return c.Changing(change=made.change)

    # -- rekey

    def _look(self, target: c.Target, rows: RawRows) -> c.Rekeying:
        config = _config_for(target, rows)
        rekey = self._rekeys.get(target)
        return c.Rekeying(required=config.threshold) if rekey is None else rekey.standing()

    def _start(self, step: c.StartRekey, rows: RawRows) -> c.Rekeying:
        config = _config_for(step.target, rows)
        if step.target in self._rekeys:
            raise BadRequest("rekey already in progress")
        try:
            shared = step.target is c.Target.RECOVERY or not config.automatic
            split = Split(step.shares, step.threshold) if shared else None
        except BadRequest as error:
            raise BadRequest(f"invalid rekey seal configuration: {error.messages[0]}") from None
        self._finished.pop(step.target, None)
        rekey = Rekey(step, split, _present(config), self._source)
        self._rekeys[step.target] = rekey
        return rekey.standing()

    async def _give(self, step: c.GiveRekeyShare, held: Held, rows: RawRows) -> c.Rekeying:
        rekey = self._rekeys.get(step.target) or self._just_finished(step.target)
        if rekey is None:
            _config_for(step.target, rows)
            raise BadRequest(f"no {step.target} rekey in progress")
        key = rekey.give(step.share, step.nonce)
        if key is not None:
            try:
                keys.prove(rows, key, held)
            except CustodyError as error:
                rekey.refuse()
                raise _reworded(error) from None
            rekey.authorise()
        return await self._completed(rekey, held, rows)

    async def _verify(self, step: c.VerifyShare, held: Held, rows: RawRows) -> c.Rekeying:
        rekey = self._rekeys.get(step.target) or self._just_finished(step.target)
        if rekey is None:
            rekey = self._rekey(step.target, rows)
        rekey.verify(step.share, step.nonce)
        return await self._completed(rekey, held, rows)

    async def _completed(self, rekey: Rekey, held: Held, rows: RawRows) -> c.Rekeying:
        """How it stands; with the change that is left to make, if that is all that is left."""
        standing = rekey.standing()
        target = rekey.wish.target
        if not rekey.complete or self._rekeys.get(target) is not rekey:
            return standing
        made = await self._replacement(rekey, held, rows)
        self._outstanding.append((made, target))
        return replace(standing, change=made.change)

    async def _replacement(self, rekey: Rekey, held: Held, rows: RawRows) -> Replacement:
        key, split, source = rekey.new_key, rekey.split, self._source
        if split is None or not key:
            return await keys.with_new_root_key(rows, held, source)
        old = keys.seal_config(rows)
        config = SealConfig(
            kind=old.kind, identity=old.identity, shares=split.shares, threshold=split.threshold
        )
        if rekey.wish.target is c.Target.RECOVERY:
            return await keys.with_new_recovery_key(rows, held, key, config, source)
        return await keys.with_new_unseal_key(rows, held, key, config, source)

    def _rekey(self, target: c.Target, rows: RawRows) -> Rekey:
        rekey = self._rekeys.get(target)
        if rekey is None:
            _config_for(target, rows)
            raise BadRequest("no rekey configuration found")
        return rekey

    def _just_finished(self, target: c.Target) -> Rekey | None:
        rekey, since_ns = self._finished.get(target, (None, 0))
        if rekey is not None and self._clock.boot_ns() - since_ns > _AGAIN_NS:
            del self._finished[target]
            return None
        return rekey

    def _cancel(self, target: c.Target, rows: RawRows) -> c.Rekeying:
        self._rekeys.pop(target, None)
        self._finished.pop(target, None)
        return self._look(target, rows)

    # -- root token

    def _root_standing(self, rows: RawRows) -> c.RootGenerating:
        required = keys.seal_config(rows).threshold
        return c.RootGenerating(required=required) if self._root is None else self._root.standing()

    def _start_root(self, step: c.StartRootGeneration, rows: RawRows) -> c.RootGenerating:
        if self._root is not None:
            raise BadRequest("root generation already in progress for this namespace")
        self._root = RootGeneration(step, _present(keys.seal_config(rows)), self._source)
        return self._root.standing(started=True)

    def _give_root(self, step: c.GiveRootShare, held: Held, rows: RawRows) -> c.RootGenerating:
        root = self._root
        if root is None:
            raise BadRequest("no root generation in progress")
        key = root.give(step.share, step.nonce)
        if key is not None:
            try:
                keys.prove(rows, key, held)
            except CustodyError as error:
                root.refuse()
                if not isinstance(error, InvalidKey):
                    raise
                raise BadRequest(
                    f"root generation aborted: unable to authenticate: {error.messages[0]}"
                ) from None
            root.authorise()
        return root.standing()


def _config_for(target: c.Target, rows: RawRows) -> SealConfig:
    config = keys.seal_config(rows)
    if target is c.Target.RECOVERY and not config.automatic:
        raise BadRequest("recovery rekeying not supported")
    return config


def _present(config: SealConfig) -> Split:
    """The shares that prove whoever brings them. Raises BadRequest where there are none."""
    if config.threshold == 0:
        raise BadRequest("there are no recovery shares to authorize this with")
    return config.split


def _reworded(error: CustodyError) -> CustodyError:
    if isinstance(error, InvalidKey):
        return BadRequest(error.messages[0].replace(*_READING_FAILED))
    return error
