"""How the processes that run the suite share it: by file, and of what loads servers by directory.

Two crash tests at once would measure each other's load, and a file's fixtures are made once.
"""

from typing import Final

from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]

_LOADING: Final = frozenset({"tests/crash", "tests/integration"})


def place(nodeid: str) -> str:
    """What runs in a row with the test of that id."""
    file = nodeid.partition("::")[0]
    directory = "/".join(file.split("/")[:2])
    return directory if directory in _LOADING else file


class ByPlace(LoadScopeScheduling):  # type: ignore[misc] # it has no types
    """Gives each process one place after the other, whole."""

    def _split_scope(self, nodeid: str) -> str:
        return place(nodeid)
