"""What the tables say of answers, and whether a real answer keeps to it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from tests.conformance.facts import ABSENT, Facts, Unlike, borne_out, promised
from tests.conformance.recorder import Record

from custody.core.envelope import Auth, Envelope
from custody.core.openapi import answers
from custody.plugin.route import Action, Engine, Op, Route
from custody.plugin.shape import NULL
from custody.serve import catalog
from custody.testing.server import Response

JSON = "application/json"
OK = 200
REFUSED = 300  # from it on it is no success


@dataclass(frozen=True, slots=True)
class Answering:
    """One verb of one route that answers with something."""

    engine: Engine
    route: Route
    op: Op
    action: Action

    def of(self, record: Record) -> Sequence[Response]:
        """Its answers that have a body."""
        return [one for one in record.of(self.engine.kind, self.route, self.op) if one.body]

    @property
    def promised(self) -> Facts:
        """All that the table says. Of a token's parts any route may leave out the same ones."""
        facts = {f"of type {media}" for media in self.action.media}
        if self.action.shows is not None:
            facts |= promised(self.action.shows, "data")
        if self.action.grants:
            facts |= {one for one in promised(Auth, "auth") if not one.endswith(ABSENT)}
        return frozenset(facts)

    def borne_out(self, answer: Response) -> Facts:
        """What one answer bears out. Raises Unlike."""
        media = answer.headers["content-type"].partition(";")[0]
        shown = answer.json if media == JSON else {}
        if answer.status >= REFUSED and "errors" in shown:
            return frozenset()
        if media not in self.action.media:
            raise Unlike(f"it is of type {media}")
        if answer.status < REFUSED and answer.status not in {OK, *self.action.statuses}:
            raise Unlike(f"its status is {answer.status}")
        return frozenset({f"of type {media}"}) | self._told(media, answer.status, shown)

    def _told(self, media: str, status: int, shown: dict[str, Any]) -> Facts:
        if media != JSON:
            return frozenset()
        if self.route.raw:
            return borne_out(shown, self.action.shows, "data")
        return self._enveloped(status, shown)

    def _enveloped(self, status: int, shown: dict[str, Any]) -> Facts:
        data, auth = shown["data"], shown["auth"]
        top = dict(data or {}) if self.route.top else {}
        if not shown.items() >= top.items():
            raise Unlike("its data are not at the top, too")
        borne_out({name: one for name, one in shown.items() if name not in top}, Envelope)
        facts = frozenset[str]() if auth is None else borne_out(auth, Auth, "auth")
        if facts and not self.action.grants:
            raise Unlike("a token that the table does not tell of")
        absent = data is None and (shown["wrap_info"] is not None or status >= REFUSED)
        shape = NULL if absent or self.action.shows is None else self.action.shows
        return facts | borne_out(data, shape, "data")

    def __str__(self) -> str:
        return f"{self.engine.kind} {self.op} {self.route.pattern}"


def _all() -> Iterator[Answering]:
    for engine in catalog.load().values():
        for route in engine.routes:
            for op, action in route.actions.items():
                if answers(action)[0]:
                    yield Answering(engine, route, op, action)


ALL = list(_all())


def check(record: Record) -> None:
    """Raises Unlike for an answer that has what no table says, or lacks what it says."""
    for one in ALL:
        for answer in one.of(record):
            one.borne_out(answer)
