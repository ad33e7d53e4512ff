"""The shapes of version 2's answers."""

from typing import Any, NotRequired, TypedDict

from custody.plugin.shape import Keys, Scanned


class Settings(TypedDict):
    """A mount's settings."""

    cas_required: bool
    delete_version_after: str
    max_versions: int
    metadata_cas_required: bool


class State(TypedDict):
    """A version among the others of its secret."""

    created_time: str
    deletion_time: str
    destroyed: bool


class Version(State):
    """A version beside its payload."""

    custom_metadata: dict[str, str] | None
    version: int


class Secret(TypedDict):
    """A version's payload; null where the version is gone, which is a 404."""

    data: dict[str, Any] | None
    metadata: Version


class Subkeys(TypedDict):
    """A version's structure; null where the version is gone, which is a 404."""

    subkeys: dict[str, Any] | None
    metadata: Version


class Metadata(TypedDict):
    """A secret's settings and history."""

    cas_required: bool
    created_time: str
    current_metadata_version: int
    current_version: int
    custom_metadata: dict[str, str] | None
    delete_version_after: str
    max_versions: int
    metadata_cas_required: bool
    oldest_version: int
    updated_time: str
    versions: dict[str, State]


class Folder(TypedDict):
    """What there is to say of a name that is no secret: nothing."""


class ScannedDetails(Scanned):
    """Paths of secrets, and what is known of each; `{}` where there are none."""

    key_info: NotRequired[dict[str, Metadata]]


class Details(Keys):
    """Names, and what is known of each."""

    key_info: dict[str, Metadata | Folder]
