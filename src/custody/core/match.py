"""What a path came to: a route and what was captured."""

from collections.abc import Mapping
from typing import Final

from custody.plugin.route import Route


class Match:
    """A route and what the path captured."""

    def __init__(self, route: Route, params: Mapping[str, str]) -> None:
        self.route: Final = route
        self.params: Final = params
