"""Reads `seal` blocks, and the files that secrets of a seal are in.

The supervisor reads the blocks and leaves `file://…` as it is; the custodian alone reads such a
file, so that a key in one is never in another process.
"""

import base64
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from custody.base.errors import BadRequest, Unavailable
from custody.base.ids import Source
from custody.seals.config import SHAMIR
from custody.seals.kinds import KINDS
from custody.seals.plan import Named, Plan
from custody.seals.seal import Keeping, Renewing, Seal, SealUnavailable
from custody.seals.wrapping import Purpose
from custody.serve.fields import BadConfiguration, Faults, Fields, Known, Placed
from custody.serve.settings import SealStanza

_FILE: Final = "file://"
_ENV: Final = "env://"
SEAL_TYPE: Final = "SEAL_TYPE"
_RAW_KEY: Final = 32  # bytes of a key in a file that is no text
_MAX_FILE: Final = 64 * 1024
_NOTHING_TO_KEEP: Final = 3600.0  # seconds
_FLAGS: Final = frozenset({"disable_renewal", "tls_skip_verify"})
Environment = Mapping[str, str]


def read_seals(
    blocks: Sequence[Placed], environment: Environment, prefixes: Sequence[str], faults: Faults
) -> tuple[list[SealStanza], list[str]]:
    """The seals of these blocks and of the environment, and warnings; `faults` gets what is wrong.

    Raises BadConfiguration for seals that do not go together.
    """
    reader = _Reader(environment, prefixes, faults)
    read = (faults.of(lambda block=block: reader.stanza(block), None) for block in blocks)  # type: ignore[misc]  # bound now
    stanzas = [stanza for stanza in read if stanza is not None]
    chosen = reader.variable((SEAL_TYPE,))
    if chosen and chosen != SHAMIR and not any(one.kind == chosen for one in stanzas):
        stanzas.append(reader.of_environment(chosen))
    stanzas = [one for one in stanzas if one.kind != SHAMIR]
    active = [one.kind for one in stanzas if not one.disabled]
    if len(active) > 1:
        raise BadConfiguration(
            f"two seals are not disabled: {', '.join(active)}; a store has one, and a migration "
            'gives up the other by disabled = "true"'
        )
    return stanzas, reader.warnings


def plan_of(stanzas: Sequence[SealStanza]) -> Plan:
    """What the configuration wants and gives up."""
    active = [Named(one.kind, one.identity) for one in stanzas if not one.disabled]
    disabled = tuple(Named(one.kind, one.identity) for one in stanzas if one.disabled)
    return Plan(active[0] if active else Named(SHAMIR), disabled)


def open_active(stanzas: Sequence[SealStanza], source: Source) -> "ConfiguredSeal | None":
    """The automatic seal, None where it is Shamir's. It reads its files when it is first used."""
    found = [one for one in stanzas if not one.disabled]
    return ConfiguredSeal(found[0], source) if found else None


class ConfiguredSeal:
    """A seal of the configuration that is made when it is first asked for something.

    After a failure it is made anew with the next call: a file that a key or a token is in may hold
    another one by then.
    """

    def __init__(self, stanza: SealStanza, source: Source) -> None:
        self.kind = stanza.kind
        self.identity = stanza.identity
        self._stanza = stanza
        self._source = source
        self._seal: Seal | None = None

    async def wrap(self, key: bytes, purpose: Purpose) -> bytes:
        """As the seal itself."""
        with self._in_use() as seal:
            return await seal.wrap(key, purpose)

    async def unwrap(self, blob: bytes, purpose: Purpose) -> bytes:
        """As the seal itself."""
        with self._in_use() as seal:
            return await seal.unwrap(blob, purpose)

    def outdated(self, blob: bytes) -> bool:
        """As the seal itself, where it can tell."""
        seal = self._made()
        return isinstance(seal, Renewing) and seal.outdated(blob)

    async def keep(self) -> float:
        """As the seal itself, where it has anything to keep alive."""
        with self._in_use() as seal:
            return await seal.keep() if isinstance(seal, Keeping) else _NOTHING_TO_KEEP

    @contextmanager
    def _in_use(self) -> Iterator[Seal]:
        try:
            yield self._made()
        except Unavailable:
            self._seal = None
            raise

    def _made(self) -> Seal:
        if self._seal is None:
            kind = KINDS[self._stanza.kind]
            options = {
                name: _content(text) if name in kind.secrets else text
                for name, text in self._stanza.options.items()
            }
            try:
                self._seal = kind.make(options, self._source)
            except BadRequest as error:
                raise SealUnavailable(
                    "the seal's configuration cannot be used", error.messages[0]
                ) from None
        return self._seal


@dataclass(slots=True)
class _Reader:
    environment: Environment
    prefixes: Sequence[str]
    faults: Faults
    warnings: list[str] = field(default_factory=list)

    def stanza(self, block: Placed) -> SealStanza:
        if len(block.labels) != 1:
            raise BadConfiguration(f'{block.at}: a seal is written seal "static" {{ … }}')
        name = block.labels[0]
        fields = Fields.of(block, self.faults)
        if name == SHAMIR:
            self.warnings += fields.check(Known(("disabled",)))
            return SealStanza(SHAMIR)
        kind = KINDS.get(name)
        if kind is None:
            known = ", ".join((SHAMIR, *KINDS))
            raise BadConfiguration(f'{block.at}: unknown seal "{name}"; this release has {known}')
        self.warnings += fields.check(Known((*kind.options, "disabled"), frozenset({"priority"})))
        options = {key: _text(fields, key) for key in kind.options if fields.has(key)}
        return self._checked(name, options, f"{block.at}, seal {name}", fields.flag("disabled"))

    def of_environment(self, name: str) -> SealStanza:
        if name not in KINDS:
            raise BadConfiguration(f'{SEAL_TYPE}: unknown seal "{name}"')
        return self._checked(name, {}, SEAL_TYPE, disabled=False)

    def variable(self, names: Sequence[str]) -> str:
        variables = (prefix + name for prefix in self.prefixes for name in names)
        return next((self.environment[one] for one in variables if self.environment.get(one)), "")

    def _checked(self, name: str, options: dict[str, str], at: str, disabled: bool) -> SealStanza:  # noqa: FBT001 - of the stanza
        kind = KINDS[name]
        if not disabled:
            options |= {
                option: given
                for option, names in kind.variables.items()
                if (given := self.variable(names))
            }
            options |= {
                option: given
                for option, names in kind.fallbacks.items()
                if not options.get(option) and (given := self.variable(names))
            }
        options = {key: self._resolved(text, f"{at}, {key}") for key, text in options.items()}
        missing = [option for option in kind.needed if not options.get(option)]
        if missing and not disabled:
            raise BadConfiguration(f"{at}: {', '.join(missing)} must be given")
        if not any(options.get(key, "").startswith(_FILE) for key in kind.secrets) and not missing:
            try:
                kind.make(options, _NoRandomness())
            except BadRequest as error:
                raise BadConfiguration(f"{at}: {error.messages[0]}") from None
        return SealStanza(name, kind.identity(options), disabled, {} if disabled else options)

    def _resolved(self, text: str, at: str) -> str:
        if not text.startswith(_ENV):
            return text
        found = self.environment.get(text.removeprefix(_ENV), "")
        if not found:
            raise BadConfiguration(f"{at}: the variable {text.removeprefix(_ENV)} is not set")
        return found


def _text(fields: Fields, key: str) -> str:
    """An option as text; true is written with and without quotes. Raises BadConfiguration."""
    if key in _FLAGS:
        return "true" if fields.flag(key) else "false"
    return fields.text(key)


class _NoRandomness:
    """For a seal that is made to be looked at and not used."""

    def random(self, size: int) -> bytes:
        """Nothing is drawn before a seal wraps."""
        raise AssertionError(size)


def _content(text: str) -> str:
    """The secret itself, read from its file where it is in one. Raises SealUnavailable."""
    if not text.startswith(_FILE):
        return text
    path = Path(text.removeprefix(_FILE))
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_FILE)
    except OSError as error:
        raise SealUnavailable(
            "a file of the seal cannot be read", f"{path}: {error.strerror}"
        ) from None
    if len(data) == _RAW_KEY:
        return base64.b64encode(data).decode()
    return data.decode("ascii", errors="replace").strip()
