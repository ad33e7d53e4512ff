"""Asking for a secret: without echo on a terminal, or one line of a pipe."""

from dataclasses import dataclass
from pathlib import Path

from custody.base.secret import Secret
from custody.cli.command import Context
from custody.cli.errors import UsageError


def ask(context: Context, what: str) -> Secret[str]:
    """The secret that the user types after `what`. Raises UsageError when there is none."""
    if context.options.switch("non-interactive"):
        raise UsageError(f"{what} is needed, and -non-interactive forbids to ask for it")
    console = context.console
    try:
        if console.stdin.isatty():
            text = console.ask(f"{what} (will be hidden): ")
        else:
            text = console.stdin.readline()
    except (EOFError, UnicodeDecodeError):
        text = ""
    if not text.strip():
        raise UsageError(f"{what} is needed: type it, or pipe it in as one line")
    return Secret(text.strip())


def given(context: Context, name: str, what: str) -> Secret[str] | None:
    """The secret that the option `name` gives: as it is, in @FILE, or asked for where it is -.

    None where it was not given. Raises UsageError.
    """
    text = context.options.text(name)
    if text == "-":
        return ask(context, what)
    if not text.startswith("@"):
        return Secret(text) if text else None
    try:
        content = Path(text[1:]).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise UsageError(f"cannot read {text[1:]}: {error.strerror}") from error
    except UnicodeDecodeError:
        raise UsageError(f"{text[1:]} is not UTF-8 text") from None
    if not content:
        raise UsageError(f"{text[1:]} is empty")
    return Secret(content)


@dataclass(frozen=True, slots=True)
class GivenShare:
    """A share, and the nonce of the ceremony that it is meant for."""

    share: Secret[str]
    nonce: str


def share(context: Context, operation: str, nonce: str) -> GivenShare:
    """The share that a ceremony asks for: typed without echo, piped in, or an argument.

    Where it is not typed its giver must name the nonce, to give it to no other ceremony. Raises
    UsageError.
    """
    given = context.arguments[0].strip() if context.arguments else ""
    named = context.options.text("nonce")
    piped = given == "-" or (not given and not context.console.stdin.isatty())
    if (given or piped) and not named:
        raise UsageError("-nonce is needed where the share is not typed: it is in -status")
    if given and not piped:
        return GivenShare(Secret(given), named)
    if not piped:
        context.console.warn(f"{operation} operation nonce: {nonce}")
    return GivenShare(ask(context, "Unseal Key"), named or nonce)
