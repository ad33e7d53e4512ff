"""`sys/config/cors`: pages of which other origins may talk to this server."""

from typing import Annotated, Final, TypedDict

from custody.base.codec import encode
from custody.base.store import Table
from custody.core.confine import SystemRows, SystemTransaction
from custody.core.cors import CORS, STANDARD_HEADERS, checked, read_config
from custody.plugin.fields import Fields, Strings
from custody.plugin.request import Reply, Request
from custody.plugin.route import Access, Op, Route, reads, writes


class CORSFields(Fields, frozen=True, kw_only=True):
    """Origins, or `*` for any; headers beside the standard ones; whether cookies may come along."""

    enable: Annotated[bool, "Whether origins are looked at."] = True
    allowed_origins: Annotated[
        Strings, "Origins such as `https://app.example.com`, or `*` for any."
    ] = Strings()
    allowed_headers: Annotated[
        Strings, "Request headers that pages may set beside the usual ones."
    ] = Strings()
    allow_credentials: Annotated[bool, "Whether requests may carry cookies."] = False


class Disabled(TypedDict):
    """Origins are not looked at."""

    enabled: bool


class Allowed(Disabled):
    """What is allowed."""

    allowed_origins: list[str]
    allowed_headers: list[str]
    allow_credentials: bool


def read(_request: Request, rows: SystemRows) -> Reply:
    """What is allowed."""
    config = read_config(rows.rows)
    if config is None:
        return Reply(data={"enabled": False})
    return Reply(
        data={
            "enabled": True,
            "allowed_origins": config.origins,
            "allowed_headers": (*STANDARD_HEADERS, *config.headers),
            "allow_credentials": config.credentials,
        }
    )


def write(request: Request, txn: SystemTransaction) -> None:
    """Allow these origins from now on, and no others."""
    fields: CORSFields = request.body
    if not fields.enable:
        txn.delete(Table.SETTING, CORS)
        return
    config = checked(
        fields.allowed_origins, fields.allowed_headers, credentials=fields.allow_credentials
    )
    txn.put(Table.SETTING, CORS, encode(config))


def delete(_request: Request, txn: SystemTransaction) -> None:
    """Look at origins no more."""
    txn.delete(Table.SETTING, CORS)


ROUTES: Final = (
    Route(
        "config/cors",
        {
            Op.READ: reads(read, shows=Allowed | Disabled),
            Op.WRITE: writes(write, CORSFields),
            Op.DELETE: writes(delete),
        },
        access=Access.SUDO, top=True,
        help="Pages of which other origins may talk to this server.",
    ),
)  # fmt: skip
