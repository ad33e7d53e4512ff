"""Asking for a secret: without echo on a terminal, or one line of a pipe."""

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
