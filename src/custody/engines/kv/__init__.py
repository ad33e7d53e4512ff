"""The key-value engine. `ENGINE` is version 2; `v2` holds it, and `v1` beside it the other one."""

from custody.engines.kv.v2.engine import ENGINE

__all__ = ["ENGINE"]
