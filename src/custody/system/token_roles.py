"""`auth/token/roles`: what tokens that are made by way of a role may be."""

from typing import Annotated, Any, Final, NotRequired, TypedDict

from msgspec.structs import asdict, replace

from custody.base.errors import BadRequest, NotFound
from custody.base.store import Rows, Transaction
from custody.plugin.fields import Duration, Fields, PageFields, Strings
from custody.plugin.request import Reply, Request
from custody.plugin.route import KIB, Op, Route, reads, writes
from custody.plugin.shape import Keys
from custody.token import cidr, roles
from custody.token.plan import clean_policies
from custody.token.roles import TokenRole

MAX_PAGE: Final = 10_000  # names in one answer
MAX_LISTED: Final = 1_000  # policies, patterns or aliases in one field
_MAX_BODY: Final = 64 * KIB
_LISTS: Final = (
    "allowed_policies",
    "disallowed_policies",
    "allowed_policies_glob",
    "disallowed_policies_glob",
)
_PLAIN: Final = ("orphan", "renewable", "path_suffix")
_RENAMED: Final = {
    "token_no_default_policy": "no_default_policy",
    "token_num_uses": "num_uses",
    "token_strictly_bind_ip": "strictly_bind_ip",
    "token_type": "type",
}


class RoleFields(Fields, frozen=True, kw_only=True):
    """A role to make, or what to change of one; what is absent stays as it is.

    `period`, `explicit_max_ttl` and `bound_cidrs` are older names of the same with `token_`.
    """

    allowed_policies: Annotated[
        Strings | None, "Policies that tokens may have; none: those of their maker."
    ] = None
    disallowed_policies: Annotated[Strings | None, "Policies that no token has."] = None
    allowed_policies_glob: Annotated[
        Strings | None, "The same as `allowed_policies`, by patterns with `*`."
    ] = None
    disallowed_policies_glob: Annotated[
        Strings | None, "The same as `disallowed_policies`, by patterns with `*`."
    ] = None
    orphan: Annotated[bool | None, "Whether tokens have no parent."] = None
    renewable: Annotated[
        bool | None, "Whether tokens may be renewed; as the role is made: they may."
    ] = None
    path_suffix: Annotated[
        str | None, "What is put behind the path that tokens show as theirs."
    ] = None
    allowed_entity_aliases: Annotated[
        Strings | None, "Aliases that tokens may be bound to, in lower case, also with `*`."
    ] = None
    token_period: Annotated[
        Duration | None,
        "For how long each renewal lasts, without another end, in seconds; 0: not periodic.",
    ] = None
    token_explicit_max_ttl: Annotated[
        Duration | None, "After which time tokens end whatever happens, in seconds; 0: never."
    ] = None
    token_bound_cidrs: Annotated[
        Strings | None, "Networks from which tokens may be used; none: from anywhere."
    ] = None
    token_no_default_policy: Annotated[
        bool | None, "Whether tokens go without the policy `default`."
    ] = None
    token_num_uses: Annotated[
        int | None, "How many requests tokens are good for; 0: any number."
    ] = None
    token_strictly_bind_ip: Annotated[
        bool | None, "Whether tokens are bound to the address that made them."
    ] = None
    token_type: Annotated[
        str | None,
        "`service` or `batch`, or `default-service` or `default-batch` where the maker may choose.",
    ] = None
    period: Annotated[Duration | None, "`token_period` by its old name."] = None
    explicit_max_ttl: Annotated[Duration | None, "`token_explicit_max_ttl` by its old name."] = None
    bound_cidrs: Annotated[Strings | None, "`token_bound_cidrs` by its old name."] = None


class Role(TypedDict):
    """A role; fields of no effect that may be left out are."""

    name: str
    allowed_policies: list[str]
    disallowed_policies: list[str]
    allowed_policies_glob: list[str]
    disallowed_policies_glob: list[str]
    orphan: bool
    renewable: bool
    path_suffix: str
    allowed_entity_aliases: list[str] | None
    period: int
    explicit_max_ttl: int
    token_period: int
    token_explicit_max_ttl: int
    token_no_default_policy: bool
    token_type: str
    token_bound_cidrs: NotRequired[list[str]]
    bound_cidrs: NotRequired[list[str]]
    token_num_uses: NotRequired[int]
    token_strictly_bind_ip: NotRequired[bool]


def read(request: Request, rows: Rows) -> Reply:
    """A role."""
    role = roles.read(rows, request.params["role_name"])
    if role is None:
        raise NotFound
    return Reply(data=roles.show(role))


def write(request: Request, txn: Transaction) -> None:
    """Make a role, or change of one what the body names."""
    name = request.params["role_name"]
    role = roles.read(txn, name) or TokenRole(name=name)
    changes = _changes(request.body)
    roles.write(txn, replace(role, **changes))
    longest, most = request.mount.max_lease_ttl, changes.get("explicit_max_ttl", 0)
    if most > longest:
        request.warn(
            f"Given explicit max TTL of {most} is greater than system/mount allowed value of "
            f"{longest} seconds: no token of this role will live longer than that"
        )


def delete(request: Request, txn: Transaction) -> None:
    """Remove a role. Its tokens live on, and cannot be renewed."""
    roles.delete(txn, request.params["role_name"])


def list_names(request: Request, rows: Rows) -> Reply:
    """The names of roles."""
    body: PageFields = request.body
    limit = min(body.limit, MAX_PAGE) if body.limit > 0 else MAX_PAGE
    names = roles.names(rows, body.after, limit + 1)
    if not names:
        raise NotFound
    if len(names) > limit and body.limit <= 0:
        request.warn(f"Only the first {MAX_PAGE} roles are listed: ask for those after the last")
    return Reply({"keys": names[:limit]})


def exists(request: Request, rows: Rows) -> bool:
    """Whether a write changes a role and does not make one."""
    return roles.read(rows, request.params["role_name"]) is not None


def _changes(body: RoleFields) -> dict[str, Any]:
    given = {name: value for name, value in asdict(body).items() if value is not None}
    changes: dict[str, Any] = {name: given[name] for name in _PLAIN if name in given}
    changes |= {field: given[name] for name, field in _RENAMED.items() if name in given}
    for name in _LISTS:
        if name in given:
            changes[name] = _policies(name, given[name])
    if "allowed_entity_aliases" in given:
        aliases = _bounded("allowed_entity_aliases", given["allowed_entity_aliases"])
        changes["allowed_entity_aliases"] = tuple(sorted({text.lower() for text in aliases}))
    for name in ("period", "explicit_max_ttl"):
        changes |= _both(name, given, _seconds)
    return changes | _both("bound_cidrs", given, lambda _name, texts: cidr.clean(texts))


def _both(name: str, given: dict[str, Any], read_as: Any) -> dict[str, Any]:
    """A field that has an older name: the newer one wins, and what came by the older is kept."""
    newer, changes = f"token_{name}", dict[str, Any]()
    if name in given:
        changes[name] = changes[f"old_{name}"] = read_as(name, given[name])
    if newer in given:
        changes[name] = read_as(newer, given[newer])
    return changes


def _seconds(name: str, value: int) -> int:
    if value < 0:
        raise BadRequest(
            f"error converting input for field \"{name}\": cannot provide negative value '{value}'"
        )
    return value


def _policies(name: str, texts: list[str]) -> tuple[str, ...]:
    """Names or patterns as roles keep them: trimmed, in lower case, each once, sorted."""
    if name == "allowed_policies":
        return clean_policies(_bounded(name, texts), add_default=False)
    return tuple(sorted({text.strip().lower() for text in _bounded(name, texts)} - {""}))


def _bounded(name: str, texts: list[str]) -> list[str]:
    if len(texts) > MAX_LISTED:
        raise BadRequest(f"{name} may list at most {MAX_LISTED}")
    return texts


ROUTES: Final = (
    Route(
        "roles",
        {Op.LIST: reads(list_names, PageFields, shows=Keys)},
        help="The names of token roles.",
    ),
    Route(
        "roles/{role_name}",
        {
            Op.READ: reads(read, shows=Role),
            Op.WRITE: writes(write, RoleFields),
            Op.DELETE: writes(delete),
        },
        exists=exists,
        max_body=_MAX_BODY,
        takes={"role_name": "The role's name."},
        help="What tokens that are made by way of a role may be.",
    ),
)
