"""The names of what can be mounted, and where each is: nobody imports a plugin, this names it."""

from collections.abc import Mapping
from importlib import import_module
from typing import Final

from custody.plugin.route import Engine

ENGINES: Final[Mapping[str, str]] = {
    "system": "custody.system.engine",
    "token": "custody.system.token",
    "cubbyhole": "custody.system.cubbyhole",
    "kv": "custody.engines.kv",
    "kv-v1": "custody.engines.kv.v1",
}


def load(names: Mapping[str, str] = ENGINES) -> dict[str, Engine]:
    """Every engine by its kind, each imported now.

    Raises ImportError for a module that cannot be imported, TypeError for one without an ENGINE.
    """
    return {kind: _engine(module) for kind, module in names.items()}


def _engine(module: str) -> Engine:
    engine = getattr(import_module(module), "ENGINE", None)
    if not isinstance(engine, Engine):
        raise TypeError(f"{module} exports no ENGINE")
    return engine
