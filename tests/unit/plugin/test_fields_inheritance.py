"""Fields that extend other fields, and fields with another name on the wire."""

import msgspec

from custody.plugin.fields import Fields


class Base(Fields, frozen=True, kw_only=True):
    number: int = 0


class Extended(Base, frozen=True, kw_only=True):
    flag: bool = False


def test_a_subclass_reads_its_own_fields_after_its_base_was_used() -> None:
    assert Base.read({"number": "1"}) == (Base(number=1), [])
    assert Extended.read({"number": "2", "flag": "true"}) == (Extended(number=2, flag=True), [])


class Renamed(Fields, frozen=True, kw_only=True):
    source: str = msgspec.field(default="", name="from")


def test_a_field_is_read_under_its_name_on_the_wire() -> None:
    assert Renamed.read({"from": "a"}) == (Renamed(source="a"), [])
    assert Renamed.read({"source": "a"}) == (Renamed(), ["source"])
