"""The template that leads from a listed key to the path that its reader would need.

Go's template language is cut down to what the setting is for: text, `{{ .key }}`, `{{ .path }}`.
"""

import re
from dataclasses import dataclass

from custody.base.errors import BadRequest

_SETTING = "list_scan_response_keys_filter_path"
_ACTION = re.compile(r"\{\{\s*\.(key|path)\s*\}\}")


@dataclass(frozen=True, slots=True)
class KeyPath:
    """A parsed template; `parts` alternate between text and the names `key` and `path`."""

    text: str
    parts: tuple[str, ...]

    @classmethod
    def parse(cls, text: str) -> "KeyPath":
        """The template in `text`. Raises BadRequest if it is none or never names the key."""
        parts = tuple(_ACTION.split(text))
        if any("{{" in literal or "}}" in literal for literal in parts[::2]):
            raise BadRequest(
                f"unable to compile template for {_SETTING}: "
                "only {{ .key }} and {{ .path }} are known"
            )
        if "key" not in parts[1::2]:
            raise BadRequest(f"{_SETTING} resulted in same path for two different keys")
        return cls(text, parts)

    def resolve(self, path: str, key: str) -> str:
        """The path that stands for `key` in an answer to a list of `path`."""
        values = {"key": key, "path": path}
        return "".join(values[part] if index % 2 else part for index, part in enumerate(self.parts))
