"""A KV version 2 mount in memory."""

import pytest

from custody.engines.kv import ENGINE
from custody.testing.engine import MountedEngine


@pytest.fixture
def kv() -> MountedEngine:
    return MountedEngine(ENGINE)
