"""How truth is spelled: as in Go's strconv.ParseBool, which all that Vault reads goes through."""

from typing import Final

TRUE: Final = frozenset(("1", "t", "T", "true", "TRUE", "True"))
FALSE: Final = frozenset(("0", "f", "F", "false", "FALSE", "False"))
