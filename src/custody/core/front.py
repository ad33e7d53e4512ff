"""What answers on a sealed node too: status, initialisation and unseal, without token or record."""

from collections.abc import Mapping
from typing import Final

from custody.barrier.meta import MetaRow, meta_key, read_meta
from custody.base.codec import decode
from custody.base.errors import BadRequest, Unavailable
from custody.base.secret import Secret
from custody.base.store import RawTransaction, Table
from custody.core.bootstrap import CLUSTER_ID, CLUSTER_NAME
from custody.core.parts import Parts
from custody.core.ports import Initialised, SealStatus
from custody.seals.config import SealConfig
from custody.seals.plan import Standing

_META_KEYS: Final = tuple(meta_key(name) for name in MetaRow)


class Front:
    """The rows in clear and the custodian; nothing here needs a key."""

    def __init__(self, parts: Parts) -> None:
        self.parts = parts
        self._cluster: tuple[str, str] | None = None

    @property
    def sealed(self) -> bool:
        """Whether this process has no keys."""
        return self.parts.barrier.sealed

    def seal_config(self) -> SealConfig | None:
        """How the root key is split; None while the store is not initialised."""
        with self.parts.store.snapshot() as raw:
            row = read_meta(raw, MetaRow.SEAL_CONFIG)
        return None if row is None else decode(SealConfig, row)

    def migration(self, stored: SealConfig | None) -> bool:
        """Whether the sealed node waits for share holders to move it to the configured seal."""
        if stored is None or not self.sealed:
            return False
        return self.parts.settings.seals.standing(stored) is Standing.MIGRATION

    def objection(self, stored: SealConfig | None) -> str:
        """Why nothing opens the sealed node as it is configured; empty where that is not so."""
        if stored is None or not self.sealed:
            return ""
        try:
            self.parts.settings.seals.check(stored)
        except BadRequest as error:
            return error.messages[0]
        return ""

    async def migrate(self, share: Secret[bytes]) -> SealStatus:
        """Take a share for a migration; with the last one, store the new seal's rows and open.

        Cut off before the rows are stored, the old seal is valid; after, the new one. Raises
        BadRequest, Unavailable.
        """
        custodian = self.parts.custodian
        unsealing = await custodian.unseal(share, self.meta(), migrate=True)
        change = unsealing.change
        if change is None:
            return unsealing.status
        await self.parts.store.write(change.apply, essential=True)
        return await custodian.open_migrated(self.meta())

    def meta(self) -> Mapping[bytes, bytes]:
        """The seal's rows (configuration, wrapped keys), raw, for the custodian.

        Each by its name: META also has a row for every term that has encrypted, without end.
        """
        with self.parts.store.snapshot() as raw:
            return {key: row for key in _META_KEYS if (row := raw.get(key)) is not None}

    def cluster(self) -> tuple[str, str] | None:
        """The cluster's name and id, known once unsealed."""
        if self._cluster is None and not self.sealed:
            with self.parts.barrier.snapshot() as rows:
                name = rows.get(Table.SETTING, CLUSTER_NAME)
                identifier = rows.get(Table.SETTING, CLUSTER_ID)
            self._cluster = ((name or b"").decode(), (identifier or b"").decode())
        return None if self.sealed else self._cluster

    async def initialise(self, shares: int, threshold: int) -> Initialised:
        """Fill the empty store. Raises BadRequest where it is not empty."""
        if self.seal_config() is not None:
            raise BadRequest("Vault is already initialized")
        made = await self.parts.custodian.initialise(shares, threshold)

        def write(raw: RawTransaction) -> None:
            if read_meta(raw, MetaRow.SEAL_CONFIG) is not None:
                raise BadRequest("Vault is already initialized")
            for key, value in made.rows:
                raw.put(key, value)

        await self.parts.store.write(write)
        if self.seal_config() is None:
            raise Unavailable("the store did not keep the first rows")
        return made
