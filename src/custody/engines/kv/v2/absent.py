"""Answers where there is nothing: no such secret, the root of a subtree, no such path."""

from custody.base.errors import NotFound
from custody.plugin.request import Reply, Request
from custody.plugin.route import Op

_ROOTS = frozenset({"data", "metadata", "delete", "undelete", "destroy"})
_COMMANDS: dict[str, str] = {Op.READ: "get", Op.WRITE: "put"}


def no_secret(request: Request) -> Reply:
    """The answer to reading a secret that is not there; `path` empty is the root of a subtree.

    Raises NotFound, with no text as Vault has none.
    """
    if not request.params["path"]:
        return no_root(request)
    raise NotFound


def no_root(request: Request) -> Reply:
    """The answer at the root of a subtree, where no secret can be."""
    request.warn("Non-listing operations on the root of a K/V v2 mount are not supported.")
    return Reply(status=404)


def no_route(request: Request) -> Reply:
    """The answer for a path that the engine does not have, as when a v1 client reads a v2 mount."""
    if request.path in _ROOTS:
        return no_root(request)
    command = _COMMANDS.get(request.op, request.op)
    request.warn(
        "Invalid path for a versioned K/V secrets engine. See the API docs for the appropriate API "
        "endpoints to use. If using the Custody CLI, "
        f"use 'custody kv {command}' for this operation."
    )
    return Reply(status=404)
