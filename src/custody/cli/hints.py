"""What to do next where a server refuses: a sentence below its error, which stays as it came."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

PREFLIGHT: Final = "sys/internal/ui/mounts/"  # what `kv` asks first
_ANY: Final = 0


@dataclass(frozen=True, slots=True)
class Refusal:
    """What was asked for and what was answered. `known`: a token was shown."""

    path: str
    status: int
    errors: Sequence[str]
    known: bool


def next_step(refusal: Refusal) -> str:
    """What to do about it; empty where the error says it all."""
    text = "\n".join(refusal.errors)
    for status, part, hint in _HINTS:
        if status in (_ANY, refusal.status) and part in text:
            return hint(refusal)
    if refusal.status == 404 and not text:  # noqa: PLR2004 HTTP
        return f"There is nothing at {refusal.path}."
    return ""


def _said(text: str) -> Callable[[Refusal], str]:
    return lambda _: text


def _with_token(hint: Callable[[Refusal], str]) -> Callable[[Refusal], str]:
    """`hint`, for those who have shown a token; the others are told that they have not."""
    return lambda refusal: hint(refusal) if refusal.known else _NO_TOKEN


def _denied(refusal: Refusal) -> str:
    return (
        "The token's policies do not allow this: -output-policy prints one that does, and"
        f" custody token capabilities {refusal.path} says what is allowed now."
    )


def _no_store(refusal: Refusal) -> str:
    store = refusal.path.removeprefix(PREFLIGHT).partition("/")[0]
    return (
        f"There is no store at {store}/, or this token may see nothing of it: custody secrets"
        " list shows those that there are."
    )


_NO_TOKEN: Final = "No token was sent: custody login, or set CUSTODY_TOKEN."  # noqa: S105 a text
_HINTS: Final[Sequence[tuple[int, str, Callable[[Refusal], str]]]] = (
    (503, "Vault is sealed", _said(
        "It waits to be unsealed, or was never initialised; custody status says which. Then it is"
        " custody operator unseal, or custody operator init."
    )),
    (403, "preflight capability check", _with_token(_no_store)),
    (403, "* permission denied", _denied),
    (403, "permission denied", _with_token(_said(
        "The token has ended, is of another server or may not be used from here: custody login."
    ))),
    (404, "no handler for route", _said(
        "Nothing is mounted there: custody secrets list and custody auth list show what is."
    )),
    (400, "cipher: message authentication failed", _said(
        "A share among those that were given is wrong, or of another server. None of them counts"
        " now: give all of them again."
    )),
    (400, "invalid duration", _said(
        "A duration is written as 90s, 30m, 12h or 7d; a number alone is seconds."
    )),
    (400, "use snapshot-force", _said("On the command line that is -force.")),
)  # fmt: skip
