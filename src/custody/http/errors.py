"""THE table from error to HTTP status; what is not in it is 500 and silence."""

from typing import Final

from custody.base import errors

STATUS: Final[dict[type[errors.CustodyError], int]] = {
    errors.BadRequest: 400,
    errors.PermissionDenied: 403,
    errors.NotFound: 404,
    errors.UnsupportedOperation: 405,
    errors.MethodNotAllowed: 405,
    errors.RequestTimeout: 408,
    errors.TooLarge: 413,
    errors.PathTooLong: 414,
    errors.UnsupportedMediaType: 415,
    errors.TooManyRequests: 429,
    errors.HeaderTooLarge: 431,
    errors.AuditFailed: 500,
    errors.Damaged: 500,
    errors.Sealed: 503,
    errors.Unavailable: 503,
    errors.StorageFull: 507,
}
INTERNAL: Final = 500


def status_of(error: errors.CustodyError) -> int:
    """The status of the nearest class in the table."""
    for kind in type(error).__mro__:
        status = STATUS.get(kind)
        if status is not None:
            return status
    return INTERNAL
