"""What -output-curl-string and -output-policy print instead of sending a request."""

import shlex
from collections.abc import Iterable, Iterator
from typing import Final
from urllib.parse import quote, urlencode

from custody.cli.output import to_json
from custody.cli.request import Request
from custody.cli.settings import Connection
from custody.core.access import BuiltinAccess
from custody.plugin.route import Access, Op
from custody.serve.catalog import load

_CREATE: Final = "auth/token/create"
_BY_SUDO: Final = ("no_parent", "period", "id")  # fields of a new token that need it
_OPEN: Final = frozenset({Access.PUBLIC, Access.OPTIONAL})

# Asked for when the line is run, so that the token stays out of the terminal and its history.
_CREDENTIAL = '-H "X-Vault-Token: $(custody print token)"'
_CAPABILITIES = {
    "GET": ("read",),
    "PUT": ("create", "update"),
    "POST": ("create", "update"),
    "PATCH": ("patch",),
    "DELETE": ("delete",),
}


def curl(connection: Connection, request: Request) -> str:
    """The line for a shell that sends `request` by curl; the token is asked of `custody print`."""
    words = ["curl"]
    if request.method != "GET":
        words += ["-X", request.method]
    if connection.socket:
        words += ["--unix-socket", shlex.quote(connection.socket)]
    words += _tls(connection)
    if request.body is not None and request.media_type != "application/json":
        words += _header("Content-Type", request.media_type)
    words += _header("X-Vault-Request", "true")
    if connection.namespace:
        words += _header("X-Vault-Namespace", connection.namespace)
    if connection.wrap_ttl:
        words += _header("X-Vault-Wrap-TTL", connection.wrap_ttl)
    for name, value in connection.headers:
        words += _header(name, value.reveal())
    if connection.token is not None:
        words.append(_CREDENTIAL)
    if request.body is not None:
        words += ["-d", shlex.quote(to_json(request.body))]
    return " ".join([*words, shlex.quote(_url(connection, request))])


def _url(connection: Connection, request: Request) -> str:
    path = quote(request.path, errors="surrogateescape")
    query = urlencode(request.parameters, errors="surrogateescape")
    return f"{connection.address.geturl()}/v1/{path}" + (f"?{query}" if query else "")


def _header(name: str, value: str) -> list[str]:
    return ["-H", shlex.quote(f"{name}: {value}")]


def _tls(connection: Connection) -> list[str]:
    tls = connection.tls
    files = (("--cacert", tls.ca_cert), ("--capath", tls.ca_path), ("--cert", tls.client_cert),
             ("--key", tls.client_key))  # fmt: skip
    words = [word for flag, file in files if file for word in (flag, shlex.quote(file))]
    return ["--insecure", *words] if tls.skip_verify else words


def policy(requests: Iterable[Request]) -> str:
    """The policy that allows all of `requests`, and remarks on those that need more or none.

    What needs `sudo`, or no token at all, is told by this release's own routes.
    """
    wanted: dict[str, list[str]] = {}
    remarks: list[str] = []
    for request in requests:
        access = _access(request)
        if access in _OPEN:
            remarks.append(f"# {request.path} needs no policy: it is answered without a token")
            continue
        known = wanted.setdefault(request.path, [])
        asked = [*_capabilities(request), *(["sudo"] if access is Access.SUDO else [])]
        known += [capability for capability in asked if capability not in known]
        remarks += _remarks(request)
    return "\n\n".join([*dict.fromkeys(remarks), *(_block(*each) for each in wanted.items())])


def _block(path: str, capabilities: Iterable[str]) -> str:
    listed = ", ".join(f'"{capability}"' for capability in capabilities)
    quoted = path.replace("\\", "\\\\").replace('"', '\\"')
    return f'path "{quoted}" {{\n  capabilities = [{listed}]\n}}'


def _capabilities(request: Request) -> Iterable[str]:
    for verb in ("list", "scan"):
        if (verb, "true") in request.parameters:
            return [verb]
    return _CAPABILITIES.get(request.method, ("read",))


def _remarks(request: Request) -> Iterator[str]:
    if request.path == _CREATE and (request.body or {}).get("policies"):
        yield (f'# a token without "sudo" on {_CREATE} can give only policies that it holds itself')


def _access(request: Request) -> Access:
    """Who may send `request`, as far as the built-in mounts tell."""
    if request.path == _CREATE and any((request.body or {}).get(name) for name in _BY_SUDO):
        return Access.SUDO
    return BuiltinAccess(load()).of(request.path, _op(request)) or Access.AUTHENTICATED


def _op(request: Request) -> Op:
    for verb in (Op.LIST, Op.SCAN):
        if (verb.value, "true") in request.parameters:
            return verb
    return {"GET": Op.READ, "PATCH": Op.PATCH, "DELETE": Op.DELETE}.get(request.method, Op.WRITE)
