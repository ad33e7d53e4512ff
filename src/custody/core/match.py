"""What a path came to: a route and what was captured."""

from collections.abc import Mapping
from dataclasses import dataclass

from custody.plugin.route import Route


@dataclass(frozen=True, slots=True)
class Match:
    """A route and what the path captured."""

    route: Route
    params: Mapping[str, str]
