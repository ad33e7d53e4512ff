"""A plugin as a value: a table of routes that states all the core must know."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum, StrEnum
from typing import Any, Final

from custody.plugin.request import Reply, Request

KIB = 1024
MIB = 1024 * KIB


class Op(StrEnum):
    """What a request asks of a path; the HTTP verb is only its spelling."""

    READ = "read"
    LIST = "list"
    SCAN = "scan"
    WRITE = "write"
    PATCH = "patch"
    DELETE = "delete"


BODIED: Final = frozenset((Op.WRITE, Op.PATCH))  # the verbs whose bodies mean something


class Access(Enum):
    """Who may call. The default is the narrow one; OPTIONAL is PUBLIC, but a token shown counts."""

    AUTHENTICATED = "authenticated"
    SUDO = "sudo"
    PUBLIC = "public"
    OPTIONAL = "optional"


class Kind(Enum):
    """What a handler does.

    READS  `run(request, rows) -> Reply | None`: pure over one snapshot, together with the decision.
    WRITES `run(request, transaction) -> Reply | None`: pure over one transaction; may run again.
    ACTS   `async run(request, core) -> Reply | None`: composes transactions with the outside.
    """

    READS = "reads"
    WRITES = "writes"
    ACTS = "acts"


Handler = Callable[[Request, Any], Reply | None]
Actor = Callable[[Request, Any], Awaitable[Reply | None]]
Exists = Callable[[Request, Any], bool]


@dataclass(frozen=True)
class Action:
    """One verb of one route.

    `body` is a `custody.plugin.fields.Fields` subclass that types the body (WRITE, PATCH) or the
    query (READ, LIST, DELETE). None means: no fields are known; whatever comes is kept in
    `request.raw` and, unless `free` is set, warned about. `essential` writes (revocations) are
    taken even below the low-water mark of the disk. `prepare(request, storage)` is called on the
    snapshot that decided, once a WRITES action of an engine is admitted: what it prefetches is not
    decoded while others wait for the store. `shows` is the shape of the answer's data
    (`custody.plugin.shape`), for the description of the API; one that answers with JSON states it.
    `grants` says that the answer may hand out or renew a token: its `auth`. `statuses` are those
    that it may answer with beside 200 and 204, and `media` the types of its answers.
    """

    run: Handler | Actor
    kind: Kind
    body: type[Any] | None = None
    free: bool = False
    essential: bool = False
    prepare: Callable[[Request, Any], None] | None = None
    access: Access | None = None  # overrides the route's
    help: str = ""
    shows: Any = None
    grants: bool = False
    statuses: Mapping[int, str] = field(default_factory=dict)
    media: tuple[str, ...] = ("application/json",)

    @property
    def summary(self) -> str:
        """What it does in a line: its help, else the first line of its handler's docstring."""
        first = (self.help or self.run.__doc__ or "").strip().partition("\n")[0]
        return first.partition(" Raises ")[0]


def reads(run: Handler, body: type[Any] | None = None, **more: Any) -> Action:
    """An action that only reads."""
    return Action(run, Kind.READS, body, **more)


def writes(run: Handler, body: type[Any] | None = None, **more: Any) -> Action:
    """An action that is one transaction."""
    return Action(run, Kind.WRITES, body, **more)


def acts(run: Actor, body: type[Any] | None = None, **more: Any) -> Action:
    """An action that reaches outside the store (the custodian, an audit device, a network)."""
    return Action(run, Kind.ACTS, body, **more)


@dataclass(frozen=True)
class Route:
    """One path of a plugin.

    `pattern` is literal segments, `{name}` for one segment of Vault's name form, `{name:any}` for
    one segment of anything, and `{path...}` for the rest (may contain slashes; may be empty, unless
    a literal follows).
    `exists(request, rows)` tells create from update where Vault does, for a WRITE; without it every
    write is an update. It may leave what it found in `request.found`. `raw` answers are sent
    without Vault's envelope; `top` repeats `data` beside it. `sealed` paths answer on a sealed
    node; those of them that are PUBLIC need no token and leave no record, as in Vault. `head`
    allows HEAD.
    `clear_numbers` names the fields of body and answer whose numbers and booleans an audit record
    may show; under all others they are hashed, as texts always are. None, as in Vault: all show.
    `upload` bodies are no JSON and of any size: the handler reads `request.upload`.
    `takes` says in a line what each name is that the pattern captures and no typed field is.
    """

    pattern: str
    actions: Mapping[Op, Action]
    help: str
    access: Access = Access.AUTHENTICATED
    max_body: int = 1 * MIB
    exists: Exists | None = None
    raw: bool = False
    top: bool = False
    sealed: bool = False
    head: bool = False
    clear_numbers: frozenset[str] | None = None
    upload: bool = False
    takes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Survival:
    """What of an engine's rows a restore of an older state does not undo.

    `at(now_ns)(key, restored, present)` is asked for each row of a mount whose key begins with
    `prefix`, has `size` bytes, and that is not in the present data as it is restored; `present`
    None: it is gone. It answers with the rows of the restored mount to change, None for those that
    go.
    """

    prefix: bytes
    size: int
    at: Callable[[int], Callable[[bytes, bytes, bytes | None], Mapping[bytes, bytes | None]]]


@dataclass(frozen=True)
class Engine:
    """A secrets engine, an auth method or a built-in mount, as a value.

    `auth` engines are mounted below auth/. `system` engines get the whole store (Rows/Transaction)
    where others get Storage, a view confined to their mount. `mounted(request, storage)` runs
    inside the transaction that enables it. `missing(request)` may answer for a path that no route
    knows. `adopt(storage, now_ns, keys)` takes over a mount of an older version in steps of at most
    that many rows, and says whether there is more to do.
    """

    kind: str
    routes: tuple[Route, ...]
    help: str = ""
    version: str = ""
    auth: bool = False
    system: bool = False
    mounted: Callable[[Request, Any], None] | None = None
    missing: Callable[[Request], Reply] | None = None
    survival: Survival | None = None
    adopt: Callable[[Any, int, int], bool] | None = None
    options: Mapping[str, str] = field(default_factory=dict)
