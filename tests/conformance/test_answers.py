"""Every field of every documented answer, borne out by a real one; and no field that is not.

The scenes drive whole servers until each route has answered with all that its table says of it.
"""

import asyncio

import pytest
from tests.conformance.answering import ALL, Answering
from tests.conformance.facts import borne_out, promised
from tests.conformance.recorder import Record
from tests.conformance.scenes import SCENES

from custody.core.envelope import Envelope, Errors

ERROR = 400  # from it on


@pytest.fixture(scope="module")
def record() -> Record:
    """What the scenes' servers answered."""
    kept = Record()

    async def play() -> None:
        for scene in SCENES:
            await scene(kept)

    asyncio.run(play())
    return kept


@pytest.mark.parametrize("case", ALL, ids=str)
def test_every_documented_field_is_in_a_real_answer_and_no_other(
    case: Answering, record: Record
) -> None:
    found = frozenset[str]().union(*(case.borne_out(one) for one in case.of(record)))
    assert sorted(case.promised - found) == []


def test_every_part_of_the_envelope_is_in_a_real_answer(record: Record) -> None:
    plain = [case for case in ALL if not (case.route.raw or case.route.top)]
    shown = [one.json for case in plain for one in case.of(record)]
    found = [borne_out(one, Envelope) for one in shown if "errors" not in one]
    assert sorted(promised(Envelope).difference(*found)) == []


def test_every_part_of_an_error_is_in_a_real_one_and_no_other(record: Record) -> None:
    refused = [one for kept in record.answers.values() for one in kept if one.status >= ERROR]
    found = [borne_out(one.json, Errors) for one in refused if "errors" in one.json]
    assert sorted(promised(Errors).difference(*found)) == []
