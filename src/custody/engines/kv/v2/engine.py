"""KV version 2 as a value: the table of its routes."""

from custody.engines.kv.v2 import absent, config, data, listing, metadata, versions
from custody.engines.kv.v2.adoption import adopt
from custody.engines.kv.v2.bodies import DataBody, SubkeysQuery, VersionQuery
from custody.engines.kv.v2.config import ConfigBody
from custody.engines.kv.v2.metadata import MetadataBody
from custody.engines.kv.v2.shapes import (
    Details,
    Metadata,
    ScannedDetails,
    Secret,
    Settings,
    Subkeys,
    Version,
)
from custody.engines.kv.v2.survival import SURVIVAL
from custody.engines.kv.v2.versions import VersionsBody
from custody.plugin.fields import PageFields
from custody.plugin.route import MIB, Engine, Op, Route, reads, writes
from custody.plugin.shape import NULL, Keys, Scanned

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
                Op.READ: reads(config.read_config, shows=Settings),
                Op.WRITE: writes(config.write_config, ConfigBody),
            },
            help="Settings of the mount, which its secrets inherit.",
        ),
        Route(
            "data/{path...}",
            {
                Op.READ: reads(data.read_data, VersionQuery, shows=Secret),
                Op.WRITE: writes(data.write_data, DataBody, prepare=data.prefetch, shows=Version),
                Op.PATCH: writes(data.patch_data, DataBody, shows=Version),
                Op.DELETE: writes(data.delete_data, shows=NULL),
            },
            takes={"path": "The secret's path."},
            help="Read, write, patch or delete the payload of a secret.",
            max_body=2 * MIB,
            exists=data.secret_exists,
            clear_numbers=frozenset(("options", "metadata", "version", "destroyed")),
        ),
        Route(
            "subkeys/{path...}",
            {Op.READ: reads(data.read_subkeys, SubkeysQuery, shows=Subkeys)},
            takes={"path": "The secret's path."},
            help="The structure of a secret with its values replaced by null.",
        ),
        Route(
            "delete/{path...}",
            {Op.WRITE: writes(versions.delete_versions, VersionsBody, shows=NULL)},
            takes={"path": "The secret's path."},
            help="Mark versions of a secret deleted.",
        ),
        Route(
            "undelete/{path...}",
            {Op.WRITE: writes(versions.undelete_versions, VersionsBody, shows=NULL)},
            takes={"path": "The secret's path."},
            help="Make deleted versions of a secret readable again.",
        ),
        Route(
            "destroy/{path...}",
            {Op.WRITE: writes(versions.destroy_versions, VersionsBody, shows=NULL)},
            takes={"path": "The secret's path."},
            help="Erase versions of a secret for good.",
        ),
        Route(
            "metadata/{path...}",
            {
                Op.READ: reads(metadata.read_metadata, shows=Metadata),
                Op.LIST: reads(listing.list_names, PageFields, shows=Keys),
                Op.SCAN: reads(listing.scan_paths, PageFields, shows=Scanned),
                Op.WRITE: writes(metadata.write_metadata, MetadataBody, shows=NULL),
                Op.PATCH: writes(metadata.patch_metadata, MetadataBody, shows=NULL),
                Op.DELETE: writes(metadata.delete_metadata, shows=NULL),
            },
            takes={"path": "The secret's path; of a list or scan, the folder."},
            help="Settings and history of a secret, and the names of secrets.",
            exists=data.secret_exists,
        ),
        Route(
            "detailed-metadata/{path...}",
            {
                Op.LIST: reads(listing.list_details, PageFields, shows=Details),
                Op.SCAN: reads(listing.scan_details, PageFields, shows=ScannedDetails),
            },
            takes={"path": "The folder."},
            help="The names of secrets with the metadata of each.",
        ),
    ),
)
