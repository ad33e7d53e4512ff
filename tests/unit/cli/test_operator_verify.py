"""`custody operator verify`: part by part, with an exit code for scripts."""

import json
from collections.abc import Callable
from typing import Any

import pytest

PARTS = ["META", "POLICY", "LOG"]
FINDING = {"table": "POLICY", "key": "6170706c", "reason": "authentication failed"}
CLI = Callable[..., tuple[int, str, str]]


class VerifyVault:
    """Answers sys/verify only."""

    redirect = ""

    def __init__(self, *, damaged: bool = False, unfinished: bool = False) -> None:
        self.damaged, self.unfinished = damaged, unfinished
        self.checked: list[str] = []

    def answer(
        self, method: str, path: str, query: object, headers: object, body: Any
    ) -> tuple[int, dict[str, Any]]:
        del query, headers
        assert path == "sys/verify"
        if method == "GET":
            data = {"parts": PARTS, "state": "finished", "finished_time": "2026-11-22T13:14:50Z",
                    "found": int(self.damaged), "findings": [FINDING] * self.damaged}  # fmt: skip
            return 200, {"data": data}
        [part] = body["parts"]
        self.checked.append(part)
        hit = self.damaged and part == "POLICY"
        late = self.unfinished and part == "LOG"
        return 200, {
            "data": {
                "rows": 10,
                "found": int(hit),
                "findings": [FINDING] * hit,
                "unfinished": ["LOG"] * late,
            }
        }


@pytest.fixture
def vault(server: Any, request: pytest.FixtureRequest) -> VerifyVault:
    made = VerifyVault(**getattr(request, "param", {}))
    server.vault = made
    return made


def test_every_part_is_checked_and_told(cli: CLI, vault: VerifyVault) -> None:
    code, out, err = cli("operator", "verify")
    assert (code, out) == (0, "30 rows checked. Findings: 0\n")
    assert err.splitlines() == [f"Checking {part}" for part in PARTS]
    assert vault.checked == PARTS


@pytest.mark.parametrize("vault", [{"damaged": True}], indirect=True)
def test_a_finding_is_shown_and_makes_exit_code_two(cli: CLI, vault: VerifyVault) -> None:
    code, out, _ = cli("operator", "verify")
    assert code == 2
    assert "POLICY    6170706c    authentication failed" in out
    assert out.endswith("30 rows checked. Findings: 1\n")
    assert vault.checked == PARTS


@pytest.mark.parametrize("vault", [{"unfinished": True}], indirect=True)
def test_a_check_that_was_not_finished_is_no_success(cli: CLI, vault: VerifyVault) -> None:
    code, out, _ = cli("operator", "verify")
    assert code == 2
    assert "Not checked to the end: LOG" in out
    assert vault.checked == PARTS


@pytest.mark.parametrize("vault", [{"damaged": True}], indirect=True)
def test_machines_get_one_object_and_the_same_code(cli: CLI, vault: VerifyVault) -> None:
    code, out, err = cli("operator", "verify", "-format=json")
    assert (code, err) == (2, "")
    assert json.loads(out) == {"rows": 30, "found": 1, "findings": [FINDING], "unfinished": []}
    assert vault.checked == PARTS


@pytest.mark.parametrize("vault", [{}, {"damaged": True}], indirect=True)
def test_status_checks_nothing(cli: CLI, vault: VerifyVault) -> None:
    code, out, _ = cli("operator", "verify", "-status")
    assert code == (2 if vault.damaged else 0)
    assert f"Last check: finished 2026-11-22T13:14:50Z. Findings: {int(vault.damaged)}" in out
    assert vault.checked == []
