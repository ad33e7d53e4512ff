"""`sys/policies/password`: how generated passwords look, kept by name and tried before."""

from typing import Annotated, Final, TypedDict

from custody.base.errors import BadRequest, MultiError, NotFound
from custody.base.store import Table
from custody.core.confine import SystemRows, SystemTransaction
from custody.plugin.fields import Fields, PageFields
from custody.plugin.request import Reply, Request
from custody.plugin.route import KIB, Op, Route, reads, writes
from custody.plugin.shape import Keys
from custody.policy import password
from custody.policy.document import decode_text

_PREFIX: Final = b"password-policy|"
_MAX_PAGE: Final = 10_000
_MAX_BODY: Final = 32 * KIB


class NoSuchPolicy(NotFound, MultiError):
    """There is no password policy of that name: 404."""

    def __init__(self) -> None:
        super().__init__("policy does not exist")


class PolicyFields(Fields, frozen=True, kw_only=True):
    """The policy's text."""

    policy: Annotated[str, "The policy's text in HCL, plain or in base64."] = ""


class Policy(TypedDict):
    """A password policy."""

    policy: str


class Password(TypedDict):
    """A password that was just made."""

    password: str


def list_names(request: Request, rows: SystemRows) -> Reply:
    """The names of all password policies."""
    fields: PageFields = request.body
    limit = fields.limit if 0 < fields.limit < _MAX_PAGE else _MAX_PAGE
    found = rows.keys(Table.SETTING, _PREFIX, fields.after.encode(), limit)
    if not found:
        raise NotFound
    return Reply(data={"keys": [key[len(_PREFIX) :].decode() for key in found]})


def read(request: Request, rows: SystemRows) -> Reply:
    """A password policy."""
    return Reply(data={"policy": _text(request, rows)})


def write(request: Request, txn: SystemTransaction) -> None:
    """Set a password policy; a password is drawn by it first."""
    fields: PolicyFields = request.body
    if not fields.policy:
        raise BadRequest("missing policy")
    text = decode_text(fields.policy)
    password.generate(password.parse(text), request.source)
    txn.put(Table.SETTING, _key(request), text.encode())


def delete(request: Request, txn: SystemTransaction) -> None:
    """Remove a password policy."""
    txn.delete(Table.SETTING, _key(request))


def generate(request: Request, rows: SystemRows) -> Reply:
    """A password by the policy."""
    policy = password.parse(_text(request, rows))
    return Reply(data={"password": password.generate(policy, request.source)})


def _text(request: Request, rows: SystemRows) -> str:
    data = rows.get(Table.SETTING, _key(request))
    if data is None:
        raise NoSuchPolicy
    return data.decode()


def _key(request: Request) -> bytes:
    return _PREFIX + request.params["name"].encode()


ROUTES: Final = (
    Route(
        "policies/password",
        {Op.LIST: reads(list_names, PageFields, shows=Keys)},
        help="The names of all password policies.",
    ),
    Route(
        "policies/password/{name}",
        {
            Op.READ: reads(read, shows=Policy),
            Op.WRITE: writes(write, PolicyFields),
            Op.DELETE: writes(delete),
        },
        max_body=_MAX_BODY,
        takes={"name": "The policy's name."},
        help="A password policy.",
    ),
    Route(
        "policies/password/{name}/generate",
        {Op.READ: reads(generate, shows=Password)},
        takes={"name": "The policy's name."},
        help="A password by the policy.",
    ),
)
