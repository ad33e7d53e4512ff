"""A connection to the server: plain or TLS, direct or through a proxy, or by a Unix socket."""

import base64
import http.client
import os
import socket
import ssl
from collections.abc import Iterable
from urllib.parse import SplitResult, unquote

from custody.base.pem import swapped
from custody.cli.errors import UsageError
from custody.cli.settings import TLS, Connection

_PROXY_PORT = 3128  # where a proxy is dialled whose address names no port


def link_to(address: SplitResult, connection: Connection) -> http.client.HTTPConnection:
    """A connection that is dialled with the first request. Raises UsageError."""
    if connection.socket and address.netloc == connection.address.netloc:
        return _SocketLink(connection)
    host, port = address.hostname or "", address.port
    proxy = connection.proxy
    if address.scheme == "http":
        dialled, number = (host, port) if proxy is None else _dialled(proxy)
        return http.client.HTTPConnection(dialled, number, timeout=connection.timeout)
    link = _TLSLink(host, port, connection)
    if proxy is not None:
        link.set_tunnel(host, port, _proxy_headers(proxy))
    return link


def target_of(address: SplitResult, connection: Connection, target: str) -> str:
    """What the request line names: the path, or for a proxy of plain HTTP the whole address."""
    if connection.proxy is None or address.scheme != "http":
        return target
    return f"{address.scheme}://{address.netloc}{target}"


def headers_of(address: SplitResult, connection: Connection) -> dict[str, str]:
    """What a proxy of plain HTTP must be shown."""
    if connection.proxy is None or address.scheme != "http":
        return {}
    return _proxy_headers(connection.proxy)


def _dialled(proxy: SplitResult) -> tuple[str, int]:
    return proxy.hostname or "", proxy.port or _PROXY_PORT


def _proxy_headers(proxy: SplitResult) -> dict[str, str]:
    if proxy.username is None:
        return {}
    pair = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}"
    return {"Proxy-Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}


class _SocketLink(http.client.HTTPConnection):
    """A connection to the server's Unix socket."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection.address.netloc, timeout=connection.timeout)
        self._path = connection.socket

    def connect(self) -> None:
        """Dial."""
        line = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        line.settimeout(self.timeout)
        try:
            line.connect(self._path)
        except OSError:
            line.close()
            raise
        self.sock = line


class _TLSLink(http.client.HTTPSConnection):
    """An HTTPS connection that may expect another name in the certificate than it dials."""

    def __init__(self, host: str, port: int | None, connection: Connection) -> None:
        self._tls = _tls_context(connection.tls)
        self._name = connection.tls.server_name or host
        dialled, number = (host, port) if connection.proxy is None else _dialled(connection.proxy)
        super().__init__(dialled, number, timeout=connection.timeout, context=self._tls)

    def connect(self) -> None:
        """Dial, through the proxy if there is one, then prove the server's name."""
        http.client.HTTPConnection.connect(self)
        plain = self.sock
        try:
            self.sock = self._tls.wrap_socket(plain, server_hostname=self._name)
        except OSError:
            plain.close()
            raise


def _tls_context(tls: TLS) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(
            cafile=tls.ca_cert or None,
            capath=tls.ca_path or None,
            cadata=tls.ca_cert_pem or None,
        )
    except (OSError, ValueError) as error:
        what = _said(tls, "ca_cert", tls.ca_cert), _said(tls, "ca_cert_pem")
        raise _unusable("the authority's certificates", what, error) from error
    _show_certificate(context, tls)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # What Python 3.13 asks beside a valid chain (RFC 5280 to the letter) many private authorities
    # do not do, and no other client of these servers wants: the same is accepted on every Python.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    if tls.skip_verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _show_certificate(context: ssl.SSLContext, tls: TLS) -> None:
    """Have the client's certificate, if there is one, shown to servers that ask for one."""
    try:
        if tls.client_cert:
            context.load_cert_chain(tls.client_cert, tls.client_key or None)
        elif tls.client_cert_pem is not None:
            _load_pem(context, tls.client_cert_pem.reveal())
    except (OSError, ValueError) as error:
        names = (
            _said(tls, "client_cert", tls.client_cert),
            _said(tls, "client_key", tls.client_key),
            _said(tls, "client_cert_pem"),
        )
        if tls.client_key and swapped(tls.client_cert, tls.client_key):
            raise UsageError(f"{names[0]} holds the key and {names[1]} the certificate") from error
        raise _unusable("the client's certificate", names, error) from error


def _said(tls: TLS, name: str, path: str = "") -> str:
    """A file and the option or variable that names it; "" where none does."""
    origin = tls.origins.get(name, "")
    return f"{path} (from {origin})" if path and origin else origin


def _unusable(what: str, names: Iterable[str], error: Exception) -> UsageError:
    strerror = None if isinstance(error, ssl.SSLError) else getattr(error, "strerror", None)
    named = " with ".join(filter(None, names))
    return UsageError(f"cannot use {what}, {named}: {strerror or 'not valid PEM'}")


def _load_pem(context: ssl.SSLContext, text: str) -> None:
    """A certificate and its key that are in no file: the library wants one, so one in memory."""
    fd = os.memfd_create("custody-client-certificate", os.MFD_CLOEXEC)
    try:
        os.write(fd, text.encode())
        context.load_cert_chain(f"/proc/self/fd/{fd}")
    finally:
        os.close(fd)
