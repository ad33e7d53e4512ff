"""The key-value engine. `ENGINE` is version 2; `v2` holds it, and version 1 goes beside it."""

from custody.engines.kv.v2.engine import ENGINE

__all__ = ["ENGINE"]
