"""Why a command ends early, and with which exit code.

No text here ever holds a token, an unseal key or a value that the user passed as data.
"""


class CommandError(Exception):
    """A text for standard error and an exit code; the user sees no traceback."""

    exit_code = 1


class UsageError(CommandError):
    """The command line, a local file or the terminal is at fault: exit code 1."""


class RemoteError(CommandError):
    """The server could not be reached, or it refused: exit code 2.

    `status` is the HTTP status, 0 when there was no answer. `hint` is what to do next, if known: a
    sentence below the text.
    """

    exit_code = 2

    def __init__(self, text: str, status: int = 0, hint: str = "") -> None:
        super().__init__(f"{text.rstrip()}\n\n{hint}" if hint else text)
        self.text = text
        self.status = status
        self.hint = hint

    def about(self, what: str) -> "RemoteError":
        """The same error with what was being done in front, as Vault prints it."""
        return RemoteError(f"{what}: {self.text}", self.status, self.hint)

    def explained(self, hint: str) -> "RemoteError":
        """The same error with another hint, if there is one."""
        return RemoteError(self.text, self.status, hint or self.hint)
