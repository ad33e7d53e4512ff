"""`custody kv`: secrets in a key-value store, with or without versions."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from custody.cli import data, output
from custody.cli.command import ANY, FIELD, FORMAT, HTTP, Command, Context, Example
from custody.cli.errors import RemoteError, UsageError
from custody.cli.flags import Flag, Kind
from custody.cli.kv_path import Location, find, locate, versioned
from custody.cli.logical import PAGE, show_list, stdin_of
from custody.cli.request import Request

if TYPE_CHECKING:
    from custody.cli.client import Client

_EMPTY = 2  # exit code when there is nothing there
_READ_WRITE_STATUSES = (403, 405)  # no patch capability, or a server without PATCH


def get(context: Context) -> int:
    """Print a secret."""
    client = context.client()
    location = locate(context, client)
    path = location.api("data")
    version = context.options.integer("version")
    parameters = {"version": version} if version and location.versioned else {}
    try:
        answer = client.read(path, parameters)
    except RemoteError as error:
        raise error.about(f"Error reading {path}") from error
    if not answer:
        context.console.warn(f"No value found at {path}")
        return _EMPTY
    if context.options.has("field"):
        return _show_field(context, answer, location)
    if answer.get("wrap_info") or not context.is_table:
        return context.show_answer(answer)
    context.warn_of(answer)
    return _show_secret(context, answer.get("data") or {}, location)


def _show_field(context: Context, answer: Mapping[str, Any], location: Location) -> int:
    name = context.options.text("field")
    if not location.versioned or answer.get("wrap_info"):
        return context.show_answer(answer)
    secret = (answer.get("data") or {}).get("data")
    if secret is None:
        context.console.warn(f"No data found at {location.api('data')}")
        return _EMPTY
    context.warn_of(answer)
    # "data" is the whole secret, unless the secret has a field of that name.
    return context.show_field({"data": secret, **secret}, name)


def _show_secret(context: Context, found: Mapping[str, Any], location: Location) -> int:
    say, secret = context.console.say, found
    if location.versioned:
        say(output.headed_path("Secret Path", location.api("data")))
        metadata = found.get("metadata")
        if metadata:
            say(output.headed("Metadata", metadata) + "\n")
        secret = found.get("data") or {}
    if secret:
        say(output.headed("Data", secret))
    return 0


def put(context: Context) -> int:
    """Write a secret, the whole of it."""
    secret = _secret(context)
    client = context.client()
    location = locate(context, client)
    path, body = location.api("data"), secret
    if location.versioned:
        body = {"data": secret, "options": _cas(context)}
    return _written(context, path, lambda: client.write(path, body))


def patch(context: Context) -> int:
    """Change some fields of a secret."""
    removed: dict[str, Any] = dict.fromkeys(context.options.listed("remove-data"))
    changes = {**_secret(context, may_be_empty=bool(removed)), **removed}
    method = context.options.text("method")
    if method not in ("", "patch", "rw"):
        raise UsageError(f"Unsupported method provided to -method flag: {method}")
    client = context.client()
    location = locate(context, client)
    if not location.versioned:
        raise RemoteError("K/V engine mount must be version 2 for patch support")
    path = location.api("data")
    if method == "rw":
        context.needs(Request("GET", path), Request("PUT", path))
    return _written(context, path, lambda: _patched(context, client, path, changes))


def _patched(
    context: Context, client: "Client", path: str, changes: Mapping[str, Any]
) -> Mapping[str, Any]:
    method = context.options.text("method")
    if method == "rw":
        return _read_then_write(client, path, changes)
    try:
        return client.patch(path, {"data": changes, "options": _cas(context)})
    except RemoteError as error:
        if method == "patch" or error.status not in _READ_WRITE_STATUSES:
            raise
    answer = _read_then_write(client, path, changes)
    context.console.warn(
        f'Data was written to {path} but we recommend that you add the "patch" capability'
        " to your ACL policy in order to use HTTP PATCH in the future."
    )
    return answer


def _read_then_write(client: "Client", path: str, changes: Mapping[str, Any]) -> Mapping[str, Any]:
    """Change a copy and write it on condition that nobody wrote meanwhile."""
    found = client.preparing().read(path).get("data") or {}
    secret, metadata = found.get("data"), found.get("metadata")
    if secret is None or metadata is None:
        raise RemoteError(f"No data found at {path}; patch only works on existing data")
    merged = {**secret, **changes}
    kept = {key: value for key, value in merged.items() if value is not None}
    return client.write(path, {"data": kept, "options": {"cas": metadata["version"]}})


def _secret(context: Context, *, may_be_empty: bool = False) -> dict[str, Any]:
    words = context.arguments[1:]
    if not words and not may_be_empty:
        raise UsageError("Must supply data")
    return data.parse(words, stdin_of(context))


def _cas(context: Context) -> dict[str, Any]:
    expected = context.options.integer("cas")
    return {} if expected is None or expected < 0 else {"cas": expected}


def _written(context: Context, path: str, act: Callable[[], Mapping[str, Any]]) -> int:
    try:
        answer = act()
    except RemoteError as error:
        raise error.about(f"Error writing data to {path}") from error
    if not answer:
        return context.done(f"Success! Data written to: {path}")
    if answer.get("wrap_info") or context.options.has("field") or not context.is_table:
        return context.show_answer(answer)
    context.warn_of(answer)
    context.console.say(output.headed_path("Secret Path", path))
    context.console.say(output.headed("Metadata", answer.get("data") or {}))
    return 0


def list_keys(context: Context) -> int:
    """Print the keys of a folder."""
    if not context.arguments and not context.options.has("mount"):
        raise UsageError("Not enough arguments (expected 1, got 0)")
    return show_list(context, find(context, context.client()).api("metadata"))


def delete(context: Context) -> int:
    """Delete the latest version, or the versions named, so that they can come back."""
    client = context.client()
    location = locate(context, client)
    versions = context.options.listed("versions")
    path = location.api("data")
    try:
        if versions and location.versioned:
            answer = client.write(location.api("delete"), {"versions": versions})
        else:
            answer = client.delete(path)
    except RemoteError as error:
        raise error.about(f"Error deleting {path}") from error
    if not answer:
        return context.done(f"Success! Data deleted (if it existed) at: {path}")
    return context.show_answer(answer)


def undelete(context: Context) -> int:
    """Bring deleted versions back."""
    return _on_versions(context, "undelete")


def destroy(context: Context) -> int:
    """Remove the data of versions for good."""
    return _on_versions(context, "destroy")


def _on_versions(context: Context, verb: str) -> int:
    versions = context.options.listed("versions")
    if not versions:
        raise UsageError(
            f'No versions provided, use the "-versions" flag to specify the version to {verb}.'
        )
    client = context.client()
    path = versioned(context, client, verb.capitalize()).api(verb)
    try:
        answer = client.write(path, {"versions": versions})
    except RemoteError as error:
        raise error.about(f"Error writing data to {path}") from error
    if not answer:
        return context.done(f"Success! Data written to: {path}")
    return context.show_answer(answer)


MOUNT = Flag("mount", "The path of the store; the argument is then the key alone.")
_CAS = Flag("cas", "Write only if the current version is this; 0: if there is none.", Kind.INTEGER)
_VERSIONS = Flag("versions", "The versions, separated by commas.", Kind.TEXTS)

COMMANDS = (
    Command(
        "kv get",
        "Read a secret.",
        (
            Example("Read the current version:", "custody kv get -mount=secret app"),
            Example("One field, for a script:", "custody kv get -field=password secret/app"),
            Example("An older version:", "custody kv get -version=1 secret/app"),
        ),
        get,
        "KEY",
        (1, 1),
        (MOUNT, Flag("version", "The version to read; 0 is the current one.", Kind.INTEGER)),
        HTTP + FORMAT + FIELD,
    ),
    Command(
        "kv put",
        "Write a secret. All its fields are replaced.",
        (
            Example("Write two fields:", "custody kv put secret/app user=alice password=@pw.txt"),
            Example("A value from standard input:", "custody kv put secret/app password=-"),
            Example("The whole secret from a file:", "custody kv put secret/app @app.json"),
            Example("Only if nobody wrote since:", "custody kv put -cas=3 secret/app user=bob"),
        ),
        put,
        "KEY [DATA K=V...]",
        (1, ANY),
        (MOUNT, _CAS),
        HTTP + FORMAT + FIELD,
    ),
    Command(
        "kv patch",
        "Change some fields of a secret and keep the others.",
        (
            Example("Change one field:", "custody kv patch secret/app user=bob"),
            Example("Remove a field:", "custody kv patch -remove-data=old secret/app"),
        ),
        patch,
        "KEY [DATA K=V...]",
        (1, ANY),
        (
            MOUNT,
            _CAS,
            Flag("method", "patch: HTTP PATCH only. rw: read, then write. Default: either."),
            Flag("remove-data", "A field to remove.", Kind.TEXTS),
        ),
        HTTP + FORMAT + FIELD,
    ),
    Command(
        "kv list",
        "List the keys of a folder.",
        (
            Example("List a store:", "custody kv list secret"),
            Example("List a folder:", "custody kv list -mount=secret team/web"),
        ),
        list_keys,
        "PATH",
        (0, 1),
        (MOUNT, *PAGE),
    ),
    Command(
        "kv delete",
        "Delete versions of a secret. They can be brought back.",
        (
            Example("Delete the current version:", "custody kv delete secret/app"),
            Example("Delete older ones:", "custody kv delete -versions=1,2 secret/app"),
        ),
        delete,
        "KEY",
        (1, 1),
        (MOUNT, _VERSIONS),
        HTTP + FORMAT + FIELD,
    ),
    Command(
        "kv undelete",
        "Bring deleted versions of a secret back.",
        (Example("Bring version 3 back:", "custody kv undelete -versions=3 secret/app"),),
        undelete,
        "KEY",
        (1, 1),
        (MOUNT, _VERSIONS),
    ),
    Command(
        "kv destroy",
        "Remove the data of versions for good.",
        (Example("Destroy version 2:", "custody kv destroy -versions=2 secret/app"),),
        destroy,
        "KEY",
        (1, 1),
        (MOUNT, _VERSIONS),
    ),
)  # fmt: skip
