"""Every field of every documented answer, borne out by a real one; and no field that is not.

The scenes drive whole servers until each route has answered with all that its table says of it.
"""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from tests.conformance.facts import ABSENT, Facts, Unlike, borne_out, promised
from tests.conformance.recorder import Record
from tests.conformance.scenes import SCENES

from custody.core.envelope import Auth, Envelope, Errors
from custody.core.openapi import answers
from custody.plugin.route import Action, Engine, Op, Route
from custody.plugin.shape import NULL
from custody.serve import catalog
from custody.testing.server import Response

JSON = "application/json"
OK = 300  # below it
ERROR = 400  # from it on


@dataclass(frozen=True, slots=True)
class Case:
    """One verb of one route that answers."""

    engine: Engine
    route: Route
    op: Op
    action: Action

    @property
    def promised(self) -> Facts:
        """All that the table says."""
        facts = set[str]()
        if JSON in self.action.media and (self.action.shows is not None or not self.action.grants):
            facts |= promised(self.action.shows, "data")
        if self.action.grants:
            facts |= {one for one in promised(Auth, "auth") if not one.endswith(ABSENT)}
        return frozenset(facts | {f"of type {media}" for media in self.action.media})

    def borne_out(self, answer: Response) -> Facts:
        """What one answer bears out. Raises Unlike."""
        media = answer.headers["content-type"].partition(";")[0]
        if media != JSON:
            return frozenset({f"of type {media}"})
        shown = answer.json
        if answer.status >= OK and "errors" in shown:
            return frozenset()
        facts = frozenset({"of type application/json"})
        if self.route.raw:
            return facts | borne_out(shown, self.action.shows, "data")
        return facts | self._enveloped(answer.status, shown)

    def _enveloped(self, status: int, shown: dict[str, Any]) -> Facts:
        data, auth = shown["data"], shown["auth"]
        top = set(data or ()) if self.route.top else set()
        borne_out({name: one for name, one in shown.items() if name not in top}, Envelope)
        facts = frozenset[str]() if auth is None else borne_out(auth, Auth, "auth")
        if facts and not self.action.grants:
            raise Unlike("a token that the table does not tell of")
        absent = data is None and (shown["wrap_info"] is not None or status >= OK)
        shape = NULL if absent or self.action.shows is None else self.action.shows
        return facts | borne_out(data, shape, "data")

    def __str__(self) -> str:
        return f"{self.engine.kind} {self.op} {self.route.pattern}"


def cases() -> Iterator[Case]:
    for engine in catalog.load().values():
        for route in engine.routes:
            for op, action in route.actions.items():
                if answers(action)[0]:
                    yield Case(engine, route, op, action)


CASES = list(cases())


@pytest.fixture(scope="module")
def record() -> Record:
    """What the scenes' servers answered."""
    kept = Record()

    async def play() -> None:
        for scene in SCENES:
            await scene(kept)

    asyncio.run(play())
    return kept


def of(record: Record, case: Case) -> Sequence[Response]:
    """The answers of a case that have a body."""
    return [one for one in record.of(case.engine.kind, case.route, case.op) if one.body]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_every_documented_field_is_in_a_real_answer_and_no_other(
    case: Case, record: Record
) -> None:
    found = frozenset[str]().union(*(case.borne_out(one) for one in of(record, case)))
    assert sorted(case.promised - found) == []


def test_every_part_of_the_envelope_is_in_a_real_answer(record: Record) -> None:
    plain = [case for case in CASES if not (case.route.raw or case.route.top)]
    shown = [one.json for case in plain for one in of(record, case)]
    found = [borne_out(one, Envelope) for one in shown if "errors" not in one]
    assert sorted(promised(Envelope).difference(*found)) == []


def test_every_part_of_an_error_is_in_a_real_one_and_no_other(record: Record) -> None:
    refused = [one for kept in record.answers.values() for one in kept if one.status >= ERROR]
    found = [borne_out(one.json, Errors) for one in refused if "errors" in one.json]
    assert sorted(promised(Errors).difference(*found)) == []
