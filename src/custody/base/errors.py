"""The one tree of errors that a client may be told about.

Anything raised that is not in this tree is a defect: the edge answers 500 and says nothing.
The map from class to HTTP status is `custody.http.errors`, and nowhere else.
"""

from collections.abc import Mapping, Sequence
from typing import TypeVar

E = TypeVar("E", bound=Exception)


class CustodyError(Exception):
    """Base of every error whose text may be shown to the caller."""

    def __init__(self, *messages: str) -> None:
        super().__init__(*messages)
        self.messages: tuple[str, ...] = messages

    @property
    def listed(self) -> Sequence[str]:
        """The texts as they appear in the body's `errors` list."""
        return self.messages

    @property
    def facts(self) -> Mapping[str, object]:
        """What is told beside `errors`, in fields of our own."""
        return {}

    @property
    def recorded(self) -> str:
        """The text of the audit record, where it stands in clear."""
        return self.listed[0] if self.listed else type(self).__name__


class MultiError(CustodyError):
    """An error that Vault's clients expect in its "N errors occurred" spelling."""

    @property
    def listed(self) -> Sequence[str]:
        """One text that counts and bullets the messages, as Vault writes it."""
        if not self.messages:
            return ()
        noun = "1 error" if len(self.messages) == 1 else f"{len(self.messages)} errors"
        bullets = "".join(f"\t* {message}\n" for message in self.messages)
        return (f"{noun} occurred:\n{bullets}\n",)


class BadRequest(CustodyError):
    """The client's mistake: 400. Its text may quote what the client sent."""

    @property
    def recorded(self) -> str:
        """What OpenBao records of all of them: records hold nothing in clear that was sent."""
        return "1 error occurred:\n\t* invalid request\n\n"


class PermissionDenied(CustodyError):
    """No valid token, or the token's policies do not allow it: 403."""

    def __init__(self, *messages: str) -> None:
        super().__init__(*(messages or ("permission denied",)))


class PolicyDenied(PermissionDenied, MultiError):
    """A valid token whose policies do not allow it: 403, in the multi-error spelling."""


class NotFound(CustodyError):
    """Nothing there: 404, usually with an empty list of errors."""


class UnsupportedPath(NotFound, MultiError):
    """The mount knows no such path: 404."""

    def __init__(self) -> None:
        super().__init__("unsupported path")


class UnsupportedOperation(MultiError):
    """The path does not know this verb: 405."""

    def __init__(self) -> None:
        super().__init__("unsupported operation")


class MethodNotAllowed(CustodyError):
    """The verb is not one of ours, or not one of a hand-written path: 405, empty list."""


class TooLarge(CustodyError):
    """The body is over its limit: 413."""


class TransactionTooLarge(TooLarge):
    """More keys or bytes than one commit may hold; the work belongs in batches."""


class HeaderTooLarge(CustodyError):
    """The request's header is over its limit: 431."""


class PathTooLong(CustodyError):
    """The path is over its limit: 414."""


class UnsupportedMediaType(CustodyError):
    """PATCH without merge-patch+json: 415."""


class TooManyRequests(CustodyError):
    """What may be done by few at once is being done; try again: 429."""


class RequestTimeout(CustodyError):
    """The body did not arrive in time: 408."""


class Sealed(CustodyError):
    """The node is sealed or not initialised: 503."""

    def __init__(self, message: str = "Vault is sealed") -> None:
        super().__init__(message)


class StorageFull(CustodyError):
    """The file system is below its low-water mark: 507. Deleting and revoking still work."""


class AuditFailed(CustodyError):
    """No audit device accepted the record, so nothing was disclosed: 500."""


class Damaged(CustodyError):
    """Stored data failed authentication or is no record: 500, naming its table and no key."""


class Unavailable(CustodyError):
    """A part of the node is not there just now; try again: 503."""


def unchained(error: E) -> E:
    """`error`, whose traceback does not show what it is raised over: that may quote a secret.

    For `raise unchained(…) from None` in modules that are compiled: there `from None` is not heard.
    """
    error.__suppress_context__ = True
    return error
