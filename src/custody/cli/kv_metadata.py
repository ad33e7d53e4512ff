"""`custody kv metadata`: what a version 2 store knows of a key apart from its data."""

from typing import Any

from custody.cli import output
from custody.cli.command import FIELD, FORMAT, HTTP, Command, Context, Example
from custody.cli.errors import RemoteError
from custody.cli.flags import Flag, Kind
from custody.cli.kv import MOUNT
from custody.cli.kv_path import versioned

_EMPTY = 2  # exit code when there is nothing there


def get(context: Context) -> int:
    """Print a key's metadata and its versions."""
    client = context.client()
    path = versioned(context, client, "Metadata").api("metadata")
    try:
        answer = client.read(path)
    except RemoteError as error:
        raise error.about(f"Error reading {path}") from error
    if not answer:
        context.console.warn(f"No value found at {path}")
        return _EMPTY
    if answer.get("wrap_info") or context.options.has("field") or not context.is_table:
        return context.show_answer(answer)
    context.warn_of(answer)
    metadata = dict(answer.get("data") or {})
    versions = metadata.pop("versions", None) or {}
    say = context.console.say
    say(output.headed_path("Metadata Path", path))
    say(output.headed("Metadata", metadata))
    for number in sorted(versions, key=int):
        say("\n" + output.headed(f"Version {number}", versions[number]))
    return 0


def put(context: Context) -> int:
    """Set a key's metadata; what is not named stays as it is."""
    client = context.client()
    path = versioned(context, client, "Metadata").api("metadata")
    try:
        answer = client.write(path, _settings(context))
    except RemoteError as error:
        raise error.about(f"Error writing data to {path}") from error
    if not answer:
        return context.done(f"Success! Data written to: {path}")
    return context.show_answer(answer)


def patch(context: Context) -> int:
    """Change some of a key's metadata; notes that are not named stay, too."""
    client = context.client()
    path = versioned(context, client, "Metadata").api("metadata")
    body = _settings(context)
    removed = dict.fromkeys(context.options.listed("remove-custom-metadata"))
    if removed:
        body["custom_metadata"] = {**body.get("custom_metadata", {}), **removed}
    try:
        answer = client.patch(path, body)
    except RemoteError as error:
        raise error.about(f"Error writing data to {path}") from error
    if not answer:
        return context.done(f"Success! Data written to: {path}")
    return context.show_answer(answer)


def _settings(context: Context) -> dict[str, Any]:
    options = context.options
    settings: dict[str, Any] = {}
    if options.has("max-versions"):
        settings["max_versions"] = options.integer("max-versions")
    if options.has("cas-required"):
        settings["cas_required"] = options.switch("cas-required")
    if options.has("delete-version-after"):
        settings["delete_version_after"] = options.text("delete-version-after")
    if options.has("custom-metadata"):
        settings["custom_metadata"] = options.pairs("custom-metadata")
    return settings


def delete(context: Context) -> int:
    """Remove a key with all its versions."""
    client = context.client()
    path = versioned(context, client, "Metadata").api("metadata")
    try:
        client.delete(path)
    except RemoteError as error:
        raise error.about(f"Error deleting {path}") from error
    return context.done(f"Success! Data deleted (if it existed) at: {path}")


_SETTINGS = (
    MOUNT,
    Flag("cas-required", "Demand -cas of every write.", Kind.SWITCH),
    Flag("delete-version-after", "Delete a version at this age.", Kind.DURATION),
    Flag("max-versions", "How many versions to keep.", Kind.INTEGER),
)

COMMANDS = (
    Command(
        "kv metadata get",
        "Print a key's metadata and its versions.",
        (Example("Which versions are there:", "custody kv metadata get secret/app"),),
        get,
        "KEY",
        (1, 1),
        (MOUNT,),
        HTTP + FORMAT + FIELD,
    ),
    Command(
        "kv metadata put",
        "Set a key's metadata.",
        (
            Example("Keep five versions:", "custody kv metadata put -max-versions=5 secret/app"),
            Example(
                "Note who owns it:",
                "custody kv metadata put -custom-metadata=owner=web secret/app",
            ),
        ),
        put,
        "KEY",
        (1, 1),
        (*_SETTINGS, Flag("custom-metadata", "A note; all notes are replaced.", Kind.PAIRS)),
    ),
    Command(
        "kv metadata patch",
        "Change some of a key's metadata and keep the rest.",
        (
            Example("Keep three versions:", "custody kv metadata patch -max-versions=3 secret/app"),
            Example(
                "Remove a note:",
                "custody kv metadata patch -remove-custom-metadata=owner secret/app",
            ),
        ),
        patch,
        "KEY",
        (1, 1),
        (
            *_SETTINGS,
            Flag("custom-metadata", "A note to add or to change.", Kind.PAIRS),
            Flag("remove-custom-metadata", "The name of a note to remove.", Kind.TEXTS),
        ),
    ),
    Command(
        "kv metadata delete",
        "Remove a key with all its versions, for good.",
        (Example("Remove a secret:", "custody kv metadata delete secret/app"),),
        delete,
        "KEY",
        (1, 1),
        (MOUNT,),
    ),
)
