"""Fields that extend other fields."""

from custody.plugin.fields import Fields


class Base(Fields, frozen=True, kw_only=True):
    number: int = 0


class Extended(Base, frozen=True, kw_only=True):
    flag: bool = False


def test_a_subclass_reads_its_own_fields_after_its_base_was_used() -> None:
    assert Base.read({"number": "1"}) == (Base(number=1), [])
    assert Extended.read({"number": "2", "flag": "true"}) == (Extended(number=2, flag=True), [])
