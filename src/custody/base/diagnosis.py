"""What a check of a machine or a server found: how it is, and what mends it."""

from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """How a subject is. WARN: it works, and will not stay so or is not safe."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """One finding about one subject. `fix` says what to do; "" where nothing is wrong."""

    subject: str
    state: State
    text: str
    fix: str = ""


def well(subject: str, text: str) -> Diagnosis:
    """Nothing is wrong."""
    return Diagnosis(subject, State.OK, text)


def warn(subject: str, text: str, fix: str) -> Diagnosis:
    """It works, but `fix` should be done."""
    return Diagnosis(subject, State.WARN, text, fix)


def fail(subject: str, text: str, fix: str) -> Diagnosis:
    """It does not work until `fix` is done."""
    return Diagnosis(subject, State.FAIL, text, fix)
