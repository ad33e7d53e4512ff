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

    `status` is the HTTP status, 0 when there was no answer.
    """

    exit_code = 2

    def __init__(self, text: str, status: int = 0) -> None:
        super().__init__(text)
        self.status = status

    def about(self, what: str) -> "RemoteError":
        """The same error with what was being done in front, as Vault prints it."""
        return RemoteError(f"{what}: {self}", self.status)
