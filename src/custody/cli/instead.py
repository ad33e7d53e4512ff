"""What -output-curl-string and -output-policy print instead of sending a request."""

import shlex
from urllib.parse import quote, urlencode

from custody.cli.output import to_json
from custody.cli.request import Request
from custody.cli.settings import Connection

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


def policy(request: Request) -> str:
    """The policy that allows `request`; `sudo` where this release's own route asks for it."""
    capabilities = list(_CAPABILITIES.get(request.method, ("read",)))
    for verb in ("list", "scan"):
        if (verb, "true") in request.parameters:
            capabilities = [verb]
    if _needs_sudo(request):
        capabilities.append("sudo")
    listed = ", ".join(f'"{capability}"' for capability in capabilities)
    path = request.path.replace("\\", "\\\\").replace('"', '\\"')
    return f'path "{path}" {{\n  capabilities = [{listed}]\n}}'


def _needs_sudo(request: Request) -> bool:
    from custody.core.mounts import SYS  # noqa: PLC0415 only this option pays for the routes
    from custody.core.router import RouteTable  # noqa: PLC0415 as above
    from custody.plugin.route import Access, Op  # noqa: PLC0415 as above
    from custody.serve.catalog import load  # noqa: PLC0415 as above

    places = {SYS.path: SYS.kind, "auth/token/": "token"}
    for place, kind in places.items():
        if not request.path.startswith(place):
            continue
        match = RouteTable(load()[kind]).match(request.path.removeprefix(place))
        if match is None:
            return False
        verbs = {"GET": Op.READ, "PATCH": Op.PATCH, "DELETE": Op.DELETE}
        op = verbs.get(request.method, Op.WRITE)
        if ("list", "true") in request.parameters:
            op = Op.LIST
        action = match.route.actions.get(op)
        return ((action and action.access) or match.route.access) is Access.SUDO
    return False
