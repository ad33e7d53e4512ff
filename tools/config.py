"""The configuration of a Custody server on one loopback port, with a file audit device."""

import json
from pathlib import Path

from tools.api import API

_CUSTODY = """\
storage "lmdb" {{
  path = {data}
}}

listener "tcp" {{
  address     = {address}
  tls_disable = true
}}

audit "file" "file" {{
  options {{
    file_path = {audit}
  }}
}}

disable_mlock = true
api_addr      = {api_addr}
log_level     = {log_level}
"""


def custody(api: API, data: Path, audit: Path, log_level: str) -> str:
    """The text of the configuration file."""
    return _CUSTODY.format(**quoted(api, data, audit), log_level=json.dumps(log_level))


def quoted(api: API, data: Path, audit: Path) -> dict[str, str]:
    """The settings that every server of this kind has, as HCL strings."""
    settings = {
        "data": str(data),
        "address": api.address.removeprefix("http://"),
        "audit": str(audit),
        "api_addr": api.address,
    }
    return {name: json.dumps(value, ensure_ascii=False) for name, value in settings.items()}
