"""Records as bytes, and the number of their schema."""

import pytest

from custody.base.codec import NewerRecord, decode, encode, stamped
from custody.base.record import Record


class Thing(Record, frozen=True, kw_only=True):
    SCHEMA = 3
    name: str


@pytest.mark.parametrize("schema", [0, 1, 3])
def test_a_record_that_is_stamped_is_what_comes_back_from_its_bytes(schema: int) -> None:
    thing = stamped(Thing(name="a", schema=schema))
    assert thing.schema == 3
    assert decode(Thing, encode(Thing(name="a", schema=schema))) == thing
    assert stamped(thing) is thing


def test_what_a_newer_program_wrote_is_read_and_never_written_again() -> None:
    newer = decode(Thing, b"\x82\xa6schema\x04\xa4name\xa1a")
    assert newer.name == "a"
    for write in (encode, stamped):
        with pytest.raises(NewerRecord, match="schema 4"):
            write(newer)
