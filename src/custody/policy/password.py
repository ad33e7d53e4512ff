"""Password policies: how long a generated password is, and of which characters.

A password is drawn uniformly from the characters of all rules until it fulfils each of them, so no
place in it says which rule it serves.
"""

from dataclasses import dataclass
from typing import Final

from custody.base import hcl
from custody.base.errors import BadRequest
from custody.base.ids import Source

MIN_LENGTH, MAX_LENGTH = 4, 100
MAX_CHARACTERS: Final = 256
MAX_TRIES: Final = 1000
_BYTE: Final = 256


@dataclass(frozen=True, slots=True)
class Charset:
    """At least `least` characters of these."""

    characters: str
    least: int


@dataclass(frozen=True, slots=True)
class PasswordPolicy:
    """A parsed policy."""

    length: int
    rules: tuple[Charset, ...]

    @property
    def characters(self) -> str:
        """What a password may consist of, each once."""
        return "".join(dict.fromkeys("".join(rule.characters for rule in self.rules)))


DEFAULT: Final = PasswordPolicy(
    20,
    (
        Charset("abcdefghijklmnopqrstuvwxyz", 1),
        Charset("ABCDEFGHIJKLMNOPQRSTUVWXYZ", 1),
        Charset("0123456789", 1),
        Charset("-", 1),
    ),
)


def parse(text: str) -> PasswordPolicy:
    """The policy in `text`, HCL or JSON. Raises BadRequest."""
    try:
        tree = hcl.parse(text)
    except hcl.HCLError as error:
        raise _invalid(f"unable to decode: {error}") from error
    item = tree.get("length")
    length = 0 if item is None else _integer("length", item.value)
    if not MIN_LENGTH <= length <= MAX_LENGTH:
        raise BadRequest(f"passwords must be between {MIN_LENGTH} and {MAX_LENGTH} characters")
    policy = PasswordPolicy(length, tuple(_rule(block) for block in tree.blocks("rule", 1)))
    _check(policy)
    return policy


def generate(policy: PasswordPolicy, source: Source) -> str:
    """A password. Raises BadRequest where the rules leave chance too little room."""
    characters = policy.characters
    for _ in range(MAX_TRIES):
        password = _draw(characters, policy.length, source)
        if all(_fulfils(password, rule) for rule in policy.rules):
            return password
    raise BadRequest("unable to generate a password: the rules can hardly be fulfilled by chance")


def _check(policy: PasswordPolicy) -> None:
    if not policy.characters:
        raise _invalid("no charset specified")
    if len(policy.characters) > MAX_CHARACTERS:
        raise _invalid(f"charset is over {MAX_CHARACTERS} characters")
    least = sum(rule.least for rule in policy.rules)
    if least > policy.length:
        raise _invalid(
            f"specified rules require at least {least} characters but {policy.length} is specified"
        )


def _rule(block: hcl.Item) -> Charset:
    kind = block.labels[0] if block.labels else ""
    if kind != "charset":
        raise _invalid(f"unable to parse rules: unrecognized rule type {kind[:64]}")
    body = block.value
    if not isinstance(body, hcl.Object):
        raise _invalid("unable to parse rules: a rule is a block")
    charset, least = body.get("charset"), body.get("min-chars")
    characters = "" if charset is None else charset.value
    if not isinstance(characters, str):
        raise _invalid("charset is not a string")
    if not characters:
        raise _invalid("no charset specified")
    if not all(one.isprintable() for one in characters):
        raise _invalid("charset has characters that cannot be printed")
    return Charset(characters, 0 if least is None else _integer("min-chars", least.value))


def _integer(name: str, value: hcl.Value) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= 2**31:
        raise _invalid(f"{name} is not a number that can be used")
    return value


def _fulfils(password: str, rule: Charset) -> bool:
    return sum(character in rule.characters for character in password) >= rule.least


def _draw(characters: str, length: int, source: Source) -> str:
    """`length` characters, each as likely as any other (rejection sampling)."""
    even = _BYTE - _BYTE % len(characters)
    text = ""
    while len(text) < length:
        draw = source.random(2 * length)
        text += "".join(characters[byte % len(characters)] for byte in draw if byte < even)
    return text[:length]


def _invalid(reason: str) -> BadRequest:
    return BadRequest(f"invalid password policy: {reason}")
