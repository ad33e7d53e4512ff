"""Where a key of a KV store is in the API: its mount, the store's version, the path."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from custody.cli.command import Context
from custody.cli.errors import RemoteError, UsageError
from custody.cli.hints import PREFLIGHT

if TYPE_CHECKING:
    from custody.cli.client import Client

_NOT_FOUND = 404


@dataclass(frozen=True, slots=True)
class Location:
    """A key: the mount it is in (without slashes around), the rest, and the store's version."""

    mount: str
    key: str
    versioned: bool

    def api(self, part: str) -> str:
        """The API path: `part` (data, metadata, …) stands after the mount of a version 2 store."""
        names = (self.mount, part, self.key) if self.versioned else (self.mount, self.key)
        return "/".join(filter(None, names))


def locate(context: Context, client: "Client") -> Location:
    """As `find`, of a secret. Raises UsageError for a store without a name in it."""
    location = find(context, client)
    if not location.key:
        mount = location.mount
        raise UsageError(
            f"{mount}/ is the store itself: name a secret in it, as in {mount}/app, or see which"
            f" there are by custody kv list {mount}"
        )
    return location


def find(context: Context, client: "Client") -> Location:
    """Ask the server where the first argument (under -mount, if given) is. Raises RemoteError."""
    words = context.arguments
    path = words[0].strip().strip("/") if words else ""
    mount = context.options.text("mount").strip().strip("/")
    found, versioned = _preflight(client, mount or path)
    if mount:
        return Location(found or mount, path, versioned)
    return split(path, found, versioned=versioned)


def versioned(context: Context, client: "Client", what: str) -> Location:
    """As `locate`, for what only a version 2 store can do. Raises UsageError, RemoteError."""
    location = locate(context, client)
    if not location.versioned:
        raise UsageError(f"{what} not supported on KV Version 1")
    return location


def split(path: str, mount: str, *, versioned: bool) -> Location:
    """Cut `path` at `mount`, whose first segments may be namespaces that `path` does not name."""
    segments = mount.strip("/").split("/")
    for first in range(len(segments)):
        within = "/".join(segments[first:])
        if within and (path == within or path.startswith(f"{within}/")):
            return Location(within, path[len(within) :].strip("/"), versioned)
    return (
        Location("", path, versioned) if not mount else Location(mount.strip("/"), path, versioned)
    )


def _preflight(client: "Client", path: str) -> tuple[str, bool]:
    """The mount of `path` and whether it keeps versions. Servers too old to say keep none."""
    try:
        answer = client.preparing().read(f"{PREFLIGHT}{path}")
    except RemoteError as error:
        if error.status == _NOT_FOUND:
            return "", False
        raise
    found = answer.get("data") or {}
    options = found.get("options")
    version = options.get("version") if isinstance(options, Mapping) else None
    return str(found.get("path", "")).strip("/"), version == "2"
