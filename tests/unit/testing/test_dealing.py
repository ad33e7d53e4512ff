"""What of the suite runs in a row, however many processes share it."""

import os

import pytest
from tests.dealing import place


@pytest.mark.parametrize(
    ("one", "other", "together"),
    [
        ("tests/crash/test_kill.py::test_a", "tests/crash/test_tamper.py::test_b[x::y]", True),
        ("tests/integration/test_a.py::test_a", "tests/integration/test_b.py::test_b", True),
        ("tests/crash/test_kill.py::test_a", "tests/integration/test_a.py::test_a", False),
        ("tests/unit/base/test_hcl.py::test_a[1]", "tests/unit/base/test_hcl.py::test_b", True),
        ("tests/unit/base/test_hcl.py::test_a", "tests/unit/base/test_pem.py::test_a", False),
    ],
)
def test_what_loads_servers_runs_in_a_row_and_the_rest_by_file(
    one: str, other: str, *, together: bool
) -> None:
    assert (place(one) == place(other)) is together


@pytest.mark.parametrize("turn", range(6))
def test_one_process_runs_all_of_this_file(
    turn: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Dealt out by chance, one of the six would find the mark of another process."""
    own = os.environ.get("PYTEST_XDIST_WORKER", "")
    base = tmp_path_factory.getbasetemp()
    marks = (base.parent if own else base) / "dealt"
    marks.mkdir(exist_ok=True)
    (marks / f"{turn} {own}").touch()
    assert {mark.name.partition(" ")[2] for mark in marks.iterdir()} == {own}
