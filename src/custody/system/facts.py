"""`sys/`: what is known of the server beside its secrets: versions, nodes, host, counts."""

import socket
from typing import Final, NoReturn, TypedDict

from custody import __version__
from custody.base import host
from custody.base.clock import rfc3339
from custody.base.errors import NotFound
from custody.base.store import Table
from custody.core import versions
from custody.core.act import Act
from custody.core.confine import SystemRows
from custody.plugin.request import Reply, Request
from custody.plugin.route import Access, Op, Route, acts, reads
from custody.plugin.shape import Keys
from custody.system.fact_shapes import Configuration, HostInfo
from custody.token import recall


class Node(TypedDict):
    """A node of the cluster."""

    hostname: str
    api_address: str
    cluster_address: str
    active_node: bool
    last_echo: None
    version: str


class Nodes(TypedDict):
    """All of them."""

    nodes: list[Node]


class Total(TypedDict):
    """How many."""

    total: int


class _Tokens(TypedDict):
    service_tokens: Total


class TokenCount(TypedDict):
    """How many tokens there are."""

    counters: _Tokens


class _Entities(TypedDict):
    entities: Total


class EntityCount(TypedDict):
    """How many entities there are."""

    counters: _Entities


class Version(TypedDict):
    """A version that has run."""

    previous_version: str | None
    timestamp_installed: str
    build_date: str
    commit_date: str


class Versions(Keys):
    """Versions, oldest first."""

    key_info: dict[str, Version]


def version_history(_request: Request, rows: SystemRows) -> Reply:
    """The versions of the program that have run on this store, oldest first."""
    known = versions.known(rows.rows)
    info: dict[str, object] = {}
    previous: str | None = None
    for one in known:
        info[one.version] = {
            "previous_version": previous,
            "timestamp_installed": rfc3339(one.first_ns)[:19] + "Z",
            "build_date": "",
            "commit_date": "",
        }
        previous = one.version
    return Reply(data={"keys": list(info), "key_info": info})


def ha_status(_request: Request, rows: SystemRows) -> Reply:
    """The nodes: this one."""
    node = {
        "hostname": socket.gethostname(),
        "api_address": rows.settings.api_addr,
        "cluster_address": "",
        "active_node": True,
        "last_echo": None,
        "version": __version__,
    }
    return Reply(data={"nodes": [node]})


def configuration(_request: Request, rows: SystemRows) -> Reply:
    """What the server was started with, without secrets."""
    return Reply(data=rows.settings.sanitized)


async def step_down(_request: Request, _act: Act) -> None:
    """Give up being the active node; without other nodes there is nobody to give it to."""


async def host_info(request: Request, act: Act) -> Reply:
    """Processors, memory, disk and system of the machine."""
    facts = host.facts(act.parts.settings.data_path)
    return Reply(data={**facts, "timestamp": rfc3339(request.now_ns)})


async def count_tokens(_request: Request, act: Act) -> Reply:
    """How many service tokens are stored, from the sum that is kept of the table."""
    with act.snapshot() as view:
        total = act.parts.barrier.count(view, Table.TOKEN) - recall.rows_beside(view)
    return Reply(data={"counters": {"service_tokens": {"total": total}}})


def count_entities(_request: Request, _rows: SystemRows) -> Reply:
    """How many entities there are."""
    return Reply(data={"counters": {"entities": {"total": 0}}})


def count_requests(_request: Request, _rows: SystemRows) -> NoReturn:
    """What old clients ask for and no server has."""
    raise NotFound("The functionality has been removed on this path")


ROUTES: Final = (
    Route(
        "version-history",
        {Op.LIST: reads(version_history, shows=Versions)},
        help="The versions that have run on this store.",
    ),
    Route(
        "ha-status",
        {Op.READ: reads(ha_status, shows=Nodes)},
        top=True,
        help="The nodes of the cluster.",
    ),
    Route(
        "config/state/sanitized",
        {Op.READ: reads(configuration, shows=Configuration)},
        help="The configuration without its secrets.",
    ),
    Route(
        "step-down",
        {Op.WRITE: acts(step_down)},
        access=Access.SUDO,
        help="Give up being the active node.",
    ),
    Route(
        "host-info",
        {Op.READ: acts(host_info, shows=HostInfo)},
        help="The machine.",
    ),
    Route(
        "internal/counters/tokens",
        {Op.READ: acts(count_tokens, shows=TokenCount)},
        help="How many tokens are stored.",
    ),
    Route(
        "internal/counters/entities",
        {Op.READ: reads(count_entities, shows=EntityCount)},
        help="How many entities there are.",
    ),
    Route(
        "internal/counters/requests",
        {Op.READ: reads(count_requests)},
        help="Removed everywhere.",
    ),
)
