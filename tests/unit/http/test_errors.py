from collections.abc import Iterator

import pytest

from custody.base import errors
from custody.http.errors import STATUS, status_of


def tree(root: type[errors.CustodyError]) -> Iterator[type[errors.CustodyError]]:
    for kind in root.__subclasses__():
        if kind.__module__ == errors.__name__:
            yield kind
        yield from tree(kind)


@pytest.mark.parametrize("kind", list(tree(errors.CustodyError)))
def test_every_error_that_a_client_may_be_told_has_a_status(
    kind: type[errors.CustodyError],
) -> None:
    if kind is not errors.MultiError:  # a spelling, never raised by itself
        assert any(parent in STATUS for parent in kind.__mro__)


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (errors.BadRequest("x"), 400),
        (errors.PermissionDenied(), 403),
        (errors.PolicyDenied("x"), 403),
        (errors.NotFound(), 404),
        (errors.UnsupportedPath(), 404),
        (errors.UnsupportedOperation(), 405),
        (errors.MethodNotAllowed(), 405),
        (errors.RequestTimeout("x"), 408),
        (errors.TooLarge("x"), 413),
        (errors.PathTooLong("x"), 414),
        (errors.UnsupportedMediaType("x"), 415),
        (errors.HeaderTooLarge("x"), 431),
        (errors.AuditFailed("x"), 500),
        (errors.Damaged("x"), 500),
        (errors.Sealed(), 503),
        (errors.Unavailable("x"), 503),
        (errors.StorageFull("x"), 507),
    ],
)
def test_an_error_has_its_status(error: errors.CustodyError, status: int) -> None:
    assert status_of(error) == status


def test_an_error_without_a_row_is_internal() -> None:
    class Unheard(errors.CustodyError):
        pass

    class Narrower(errors.BadRequest):
        pass

    assert status_of(Unheard("x")) == 500
    assert status_of(Narrower("x")) == 400


def test_an_answer_that_says_why_says_it_in_vaults_words() -> None:
    assert errors.PermissionDenied().listed == ("permission denied",)
    assert errors.PolicyDenied("permission denied").listed == (
        "1 error occurred:\n\t* permission denied\n\n",
    )
    assert errors.UnsupportedOperation().listed == (
        "1 error occurred:\n\t* unsupported operation\n\n",
    )
    assert errors.MultiError("a", "b").listed == ("2 errors occurred:\n\t* a\n\t* b\n\n",)
