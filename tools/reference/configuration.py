"""docs/reference/configuration.md: every key of a configuration, those of Vault among them."""

from collections.abc import Iterable, Iterator, Mapping

from custody.audit.options import OPTIONS
from custody.seals.kinds import KINDS, SealKind
from custody.serve import known
from custody.serve.config import VARIABLES
from custody.serve.keys import AUDIT, DISABLED, LISTENER, STORAGE, TOP, UNIX, Key
from custody.serve.seal_config import SEAL_TYPE
from tools.reference import markdown

_TEXT = """\
A configuration is HCL or JSON, given by `-config=FILE`, more than once if need be; of a directory,
its `.hcl` and `.json` files are read in order, and the last word on a key counts. A key that nobody
knows is an error that names file and line, and the key that was probably meant. `custody config
check FILE…` says all of that without starting a server."""
_IGNORED = """\
## Keys of Vault and OpenBao without meaning here

They are named in a warning and change nothing.
"""
_REFUSED = """\
## Keys of Vault and OpenBao that are refused

To ignore them would leave open what they close: an error, unless the value is empty or false.
"""
_ENVIRONMENT = """\
## Variables

The environment wins over the files, `custody server -log-level=… -log-format=…` over both. Each is
read with the prefix `CUSTODY_`, else `BAO_`, else `VAULT_`.
"""


def page() -> str:
    """The page."""
    parts = [markdown.head("Configuration", _TEXT)]
    for title, keys in _blocks():
        parts += [f"## {title}\n", _keys(keys)]
    parts += ["## Options of an audit device\n", _options()]
    parts += [_ENVIRONMENT, markdown.table(("variable", "key"), _variables())]
    parts += [_IGNORED, markdown.table(("where", "keys"), _ignored())]
    parts += [_REFUSED, markdown.table(("key of a listener", "why"), _refused())]
    return "\n".join(parts)


def _blocks() -> Iterator[tuple[str, Mapping[str, Key]]]:
    yield "Top level", TOP
    yield 'storage "lmdb"', STORAGE
    yield 'listener "tcp"', LISTENER
    yield 'listener "unix"', UNIX
    yield 'audit "file" "NAME"', AUDIT
    for name, kind in KINDS.items():
        yield f'seal "{name}"', _of_seal(kind)


def _of_seal(kind: SealKind) -> Mapping[str, Key]:
    return {
        name: Key(text, "required" if name in kind.needed else "")
        for name, text in kind.options.items()
    } | {"disabled": DISABLED}


def _keys(keys: Mapping[str, Key]) -> str:
    rows = ((markdown.code(name), key.default, key.meaning) for name, key in keys.items())
    return markdown.table(("key", "default", "meaning"), rows)


def _options() -> str:
    rows = ((markdown.code(name), text) for name, text in OPTIONS.items())
    return markdown.table(("option", "meaning"), rows)


def _variables() -> Iterator[tuple[str, str]]:
    for key, names in VARIABLES.items():
        yield _listed(names), markdown.code(key)
    for kind, seal in KINDS.items():
        for option, names in seal.variables.items():
            yield _listed(names), f'`{option}` of `seal "{kind}"`'
        for option, names in seal.fallbacks.items():
            yield _listed(names), f'`{option}` of `seal "{kind}"`, where that is not given'
    yield markdown.code(SEAL_TYPE), "the kind of the seal, where no block says it"


def _ignored() -> Iterator[tuple[str, str]]:
    yield "top level", _listed(sorted(known.IGNORED))
    yield "listener", _listed(sorted(known.IGNORED_LISTENER))
    yield "storage", _listed(sorted(known.IGNORED_STORAGE))


def _refused() -> Iterator[tuple[str, str]]:
    for key, why in sorted(known.REFUSED_LISTENER.items()):
        yield markdown.code(key), why


def _listed(names: Iterable[str]) -> str:
    return ", ".join(map(markdown.code, names))
