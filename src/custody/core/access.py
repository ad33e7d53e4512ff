"""Who may call what of the built-in mounts, told by their routes: for advice, never a decision."""

from collections.abc import Mapping

from custody.core.mounts import BUILTIN
from custody.core.router import RouteTable
from custody.plugin.route import Access, Engine, Op


class BuiltinAccess:
    """The access that paths of the built-in mounts ask for."""

    __slots__ = ("_catalog", "_tables")

    def __init__(self, catalog: Mapping[str, Engine]) -> None:
        self._catalog = catalog
        self._tables: dict[str, RouteTable] = {}  # by mount, once one of its paths was asked for

    def of(self, path: str, op: Op) -> Access | None:
        """Who may do `op` at `path`; None where it is not known or there is no such route."""
        mount = next((one for one in BUILTIN if path.startswith(one)), None)
        if mount is None or BUILTIN[mount].kind not in self._catalog:
            return None
        if mount not in self._tables:
            self._tables[mount] = RouteTable(self._catalog[BUILTIN[mount].kind])
        match = self._tables[mount].known(path.removeprefix(mount))
        if match is None or op not in match.route.actions:
            return None
        return match.route.actions[op].access or match.route.access
