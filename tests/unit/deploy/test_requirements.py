"""The locked packages install on the oldest Python that is promised."""

from importlib.metadata import distributions

from packaging.specifiers import SpecifierSet

DEBIAN_12 = "3.11.2"


def test_every_locked_package_takes_the_python_of_debian_12() -> None:
    wanted = {
        found.name: ",".join(found.metadata.get_all("Requires-Python", []))
        for found in distributions()
    }
    refused = [name for name, text in wanted.items() if DEBIAN_12 not in SpecifierSet(text)]
    assert len(wanted) > 50
    assert refused == []
