"""KV version 2 as a value: the table of its routes."""

from collections.abc import Mapping

from custody.engines.kv.v2 import absent, config, data, listing, metadata, versions
from custody.engines.kv.v2.adoption import adopt
from custody.engines.kv.v2.config import ConfigBody
from custody.engines.kv.v2.data import DataBody, SubkeysQuery, VersionQuery
from custody.engines.kv.v2.listing import PageQuery
from custody.engines.kv.v2.metadata import MetadataBody
from custody.engines.kv.v2.survival import SURVIVAL
from custody.engines.kv.v2.versions import VersionsBody
from custody.plugin.route import MIB, Engine, Op, Route, reads, writes

_Shows = Mapping[str, object]
_CONFIG: _Shows = {
    "cas_required": bool,
    "delete_version_after": str,
    "max_versions": int,
    "metadata_cas_required": bool,
}
_VERSION: _Shows = {
    "created_time": str,
    "custom_metadata": dict[str, str] | None,
    "deletion_time": str,
    "destroyed": bool,
    "version": int,
}
_SECRET: _Shows = {"data": dict[str, object], "metadata": dict[str, object]}
_SUBKEYS: _Shows = {"subkeys": dict[str, object], "metadata": dict[str, object]}
_METADATA: _Shows = {
    "cas_required": bool,
    "created_time": str,
    "current_version": int,
    "custom_metadata": dict[str, str] | None,
    "delete_version_after": str,
    "max_versions": int,
    "oldest_version": int,
    "updated_time": str,
    "versions": dict[str, object],
}
_KEYS: _Shows = {"keys": list[str]}
_DETAILS: _Shows = {"keys": list[str], "key_info": dict[str, object]}

ENGINE = Engine(
    kind="kv",
    options={"version": "2"},
    help="Keeps secrets under paths, each with a bounded run of numbered versions.",
    mounted=config.enable,
    missing=absent.no_route,
    survival=SURVIVAL,
    adopt=adopt,
    routes=(
        Route(
            "config",
            {
                Op.READ: reads(config.read_config, shows=_CONFIG),
                Op.WRITE: writes(config.write_config, ConfigBody),
            },
            help="Settings of the mount, which its secrets inherit.",
        ),
        Route(
            "data/{path...}",
            {
                Op.READ: reads(data.read_data, VersionQuery, shows=_SECRET),
                Op.WRITE: writes(data.write_data, DataBody, shows=_VERSION),
                Op.PATCH: writes(data.patch_data, DataBody, shows=_VERSION),
                Op.DELETE: writes(data.delete_data),
            },
            help="Read, write, patch or delete the payload of a secret.",
            max_body=2 * MIB,
            exists=data.secret_exists,
            clear_numbers=frozenset(("options", "metadata", "version", "destroyed")),
        ),
        Route(
            "subkeys/{path...}",
            {Op.READ: reads(data.read_subkeys, SubkeysQuery, shows=_SUBKEYS)},
            help="The structure of a secret with its values replaced by null.",
        ),
        Route(
            "delete/{path...}",
            {Op.WRITE: writes(versions.delete_versions, VersionsBody)},
            help="Mark versions of a secret deleted.",
        ),
        Route(
            "undelete/{path...}",
            {Op.WRITE: writes(versions.undelete_versions, VersionsBody)},
            help="Make deleted versions of a secret readable again.",
        ),
        Route(
            "destroy/{path...}",
            {Op.WRITE: writes(versions.destroy_versions, VersionsBody)},
            help="Erase versions of a secret for good.",
        ),
        Route(
            "metadata/{path...}",
            {
                Op.READ: reads(metadata.read_metadata, shows=_METADATA),
                Op.LIST: reads(listing.list_names, PageQuery, shows=_KEYS),
                Op.SCAN: reads(listing.scan_paths, PageQuery, shows=_KEYS),
                Op.WRITE: writes(metadata.write_metadata, MetadataBody),
                Op.PATCH: writes(metadata.patch_metadata, MetadataBody),
                Op.DELETE: writes(metadata.delete_metadata),
            },
            help="Settings and history of a secret, and the names of secrets.",
            exists=data.secret_exists,
        ),
        Route(
            "detailed-metadata/{path...}",
            {
                Op.LIST: reads(listing.list_details, PageQuery, shows=_DETAILS),
                Op.SCAN: reads(listing.scan_details, PageQuery, shows=_DETAILS),
            },
            help="The names of secrets with the metadata of each.",
        ),
    ),
)
