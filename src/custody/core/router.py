"""From a path below a mount to the route that answers it."""

import re
from collections.abc import Iterable
from typing import Final

from custody.base.errors import CustodyError, UnsupportedOperation, UnsupportedPath
from custody.core.match import Match
from custody.plugin.fields import Described, described
from custody.plugin.route import Action, Engine, Kind, Op, Route

_NAME: Final = r"\w(?:[\w.-]*\w)?"
LISTING: Final = frozenset((Op.LIST, Op.SCAN))
_PART: Final = re.compile(r"\{(\w+)(:any|\.\.\.)?\}")


class RouteTable:
    """An engine's routes, looked up by their first segment and then tried in order."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._by_head: dict[str, list[tuple[re.Pattern[str], Route]]] = {}
        self._open: list[tuple[re.Pattern[str], Route]] = []
        self._missing = _missing(engine)
        for route in engine.routes:
            head = route.pattern.split("/", 1)[0]
            entry = (_compile(route.pattern), route)
            if "{" in head:
                self._open.append(entry)
            else:
                self._by_head.setdefault(head, []).append(entry)

    def match(self, path: str) -> Match | None:
        """The first route that knows `path` (below the mount), or None.

        Where no route does, an engine with a `missing` handler answers all the same.
        """
        return self.known(path) or self._missing

    def known(self, path: str) -> Match | None:
        """As `match`, of the table's own routes only."""
        head = path.partition("/")[0]
        return _first(self._by_head.get(head, ()), path) or _first(self._open, path)


def unsupported(route: Route, op: Op) -> CustodyError:
    """Why `route` has no such verb.

    A list is asked of a path with a slash at its end: no path that is not open has that, unless
    it is a folder itself.
    """
    folder = Op.LIST in route.actions or route.pattern.endswith("...}")
    return UnsupportedPath() if op in LISTING and not folder else UnsupportedOperation()


def captures(pattern: str) -> tuple[str, ...]:
    """The names that a route's pattern captures, in order."""
    return tuple(found[1] for found in _PART.finditer(pattern))


def captured(route: Route) -> dict[str, Described]:
    """The same of a route, told of: by its `takes`, else by a typed field of that name."""
    told = {
        name: one.about
        for action in route.actions.values()
        for name, one in described(action.body).items()
    }
    told |= route.takes
    return {
        name: Described("string", told.get(name, ""), required=True)
        for name in captures(route.pattern)
    }


def _missing(engine: Engine) -> Match | None:
    answer = engine.missing
    if answer is None:
        return None
    action = Action(lambda request, _rows: answer(request), Kind.READS, free=True)
    actions = dict.fromkeys(Op, action)
    nothing: frozenset[str] = frozenset()  # is known of what a caller sends here by mistake
    return Match(Route("{path...}", actions, help="No such path.", clear_numbers=nothing), {})


def _first(entries: Iterable[tuple[re.Pattern[str], Route]], path: str) -> Match | None:
    for pattern, route in entries:
        found = pattern.fullmatch(path)
        if found is not None:
            return Match(route, {name: text or "" for name, text in found.groupdict().items()})
    return None


def _compile(pattern: str) -> re.Pattern[str]:
    """`pattern` as an expression; the slash that LIST adds is taken where nothing is open."""
    parts, position = "", 0
    for found in _PART.finditer(pattern):
        literal = pattern[position : found.start()]
        name, form = found[1], found[2]
        if form == "...":
            parts += _rest(literal, name, more=found.end() < len(pattern))
        else:
            parts += re.escape(literal)
            parts += rf"(?P<{name}>{'[^/]+' if form else _NAME})"
        position = found.end()
    parts += re.escape(pattern[position:])
    closing = "" if pattern.endswith("...}") else "/?"
    return re.compile(parts + closing, re.DOTALL)


def _rest(literal: str, name: str, *, more: bool) -> str:
    """What `{name...}` takes: all that is left; before a literal, something."""
    if more:
        return rf"{re.escape(literal)}(?P<{name}>.+)"
    start = re.escape(literal.removesuffix("/"))
    return start + (rf"(?:/(?P<{name}>.*))?" if literal.endswith("/") else rf"(?P<{name}>.*)")
