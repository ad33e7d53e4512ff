"""What requests about payloads carry."""

from typing import Annotated, Any

from custody.plugin.fields import Fields


class VersionQuery(Fields, frozen=True, kw_only=True):
    """Which version to read; 0 is the current one."""

    version: Annotated[int, "The version's number; 0: the current one."] = 0


class SubkeysQuery(VersionQuery, frozen=True, kw_only=True):
    """Which version, and how many levels of it; 0 is all."""

    depth: Annotated[int, "How many levels are shown; 0: all."] = 0


class DataBody(Fields, frozen=True, kw_only=True):
    """What to write; `options.cas` is the current version that the writer expects."""

    data: Annotated[dict[str, Any] | None, "The secret: any JSON object."] = None
    options: Annotated[
        dict[str, Any] | None,
        "`cas`: the number of the version that must be current, 0: there is none yet.",
    ] = None
