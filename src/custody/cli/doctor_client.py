"""What `custody doctor` sees on the client's side: where it is told to go, and its token."""

import stat
from collections.abc import Iterator
from pathlib import Path

from custody.base.diagnosis import Diagnosis, fail, warn, well
from custody.cli import token_store
from custody.cli.command import Context
from custody.cli.environment import PREFIXES
from custody.cli.errors import UsageError
from custody.cli.settings import connection

_ADDRESS = "client"
_TOKEN = "token"  # noqa: S105 - a subject's name
_LOCAL = ("127.0.0.1", "::1", "localhost")
_OTHERS = 0o077


def examine(context: Context) -> Iterator[Diagnosis]:
    """Everything that can be seen without asking the server."""
    try:
        found = connection(context.options, context.environment, with_token=False)
    except UsageError as error:
        yield fail(_ADDRESS, str(error), "correct the option or the variable")
        return
    address = found.address
    if address.scheme == "http" and address.hostname not in _LOCAL:
        yield warn(
            _ADDRESS,
            f"{address.geturl()} is plain HTTP: tokens and secrets pass in clear",
            "use https://",
        )
    else:
        yield well(_ADDRESS, f"the server is asked at {found.place}")
    if found.tls.skip_verify:
        yield warn(
            _ADDRESS,
            "certificates are not verified",
            "unset CUSTODY_SKIP_VERIFY, and name the authority by CUSTODY_CACERT",
        )
    yield from _variables(context)
    yield from _kept_token(context)


def _variables(context: Context) -> Iterator[Diagnosis]:
    """Variables of the same meaning that disagree: only the first of them counts."""
    for name in ("ADDR", "TOKEN", "NAMESPACE", "CACERT"):
        given = {prefix + name: context.environment.variables.get(prefix + name, "")
                 for prefix in PREFIXES}  # fmt: skip
        values = {variable: value for variable, value in given.items() if value}
        if len(set(values.values())) > 1:
            first, *others = values
            yield warn(
                _ADDRESS,
                f"{first} counts, and {', '.join(others)} says something else",
                f"unset {' and '.join(others)}",
            )


def _kept_token(context: Context) -> Iterator[Diagnosis]:
    try:
        helper = token_store.helper_of(context.environment)
        path = context.environment.token_file
    except UsageError as error:
        yield warn(_TOKEN, str(error), "set what it names")
        return
    if helper is not None:
        yield well(_TOKEN, f"it is kept by {helper}")
    elif path.exists():
        yield from _token_file(path)
    if context.environment.get("TOKEN") and helper is None and path.exists():
        yield warn(
            _TOKEN,
            f"the environment has one, so the one in {path} is not used",
            f"unset the variable, or remove {path}",
        )


def _token_file(path: Path) -> Iterator[Diagnosis]:
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & _OTHERS:
        yield fail(_TOKEN, f"{path} is open to other users ({mode:04o})", f"chmod 0600 {path}")
    else:
        yield well(_TOKEN, f"{path} is its owner's alone")
