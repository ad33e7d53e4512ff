"""docs/reference/commands.md: every command of the command line, its options and variables."""

from collections.abc import Iterable, Iterator

from custody.cli.command import HTTP, Command
from custody.cli.environment import VARIABLES
from custody.cli.flags import Flag, Kind
from custody.cli.tree import COMMANDS, GROUPS
from tools.reference import markdown

_TEXT = """\
`custody COMMAND -h` shows the same in a terminal.

Options are written `-name=value`, `--name=value` or `-name value`; a switch is `-name`; `--` ends
the options. A variable of the environment is read as `CUSTODY_NAME`, else as `BAO_NAME`, else as
`VAULT_NAME`, and an option wins over it."""
_CODES = (
    ("0", "Done."),
    ("1", "A mistake on this side: the command line, a local file, the terminal."),
    ("2", "The server could not be reached, it refused, or there is nothing at that place."),
    ("127", "There is no such command."),
    ("130", "Interrupted."),
    ("141", "What read the output went away."),
)
_OWN_CODES = (
    ("custody status", "0 unsealed, 2 sealed, 1 any error"),
    ("custody operator init -status", "0 initialised, 2 not, 1 any error"),
    ("custody operator verify", "2 also: something is wrong, or was not checked to the end"),
    ("custody doctor", "0 all well, 1 something is wrong, 2 something to look at"),
    ("custody config check", "0 it can be used, 1 not"),
)


def page() -> str:
    """The page."""
    parts = [markdown.head("Command line", _TEXT)]
    parts += ["## Exit codes\n", markdown.table(("code", "what it says"), _CODES)]
    parts += ["Where they say more:\n", markdown.table(("command", "codes"), _OWN_CODES)]
    parts += ["## Options of every command that calls a server\n", _options(HTTP)]
    parts += ["## Variables without an option\n", _variables()]
    parts += [text for name in sorted(GROUPS) for text in _group(name)]
    return "\n".join(parts)


def _group(name: str) -> Iterator[str]:
    members = [command for command in COMMANDS.values() if command.name.rpartition(" ")[0] == name]
    yield f"## custody {name}\n" if name else "## Single commands\n"
    if name:
        yield f"{GROUPS[name]}\n"
    for command in sorted(members, key=lambda one: one.name):
        yield _command(command)


def _command(command: Command) -> str:
    options = "[options]" if command.flags or command.shared else ""
    usage = " ".join(filter(None, ("custody", command.name, options, command.usage)))
    parts = [f"### custody {command.name}\n", f"{command.summary}\n", _block([usage])]
    if command.text:
        parts.append(_block(command.text.strip().splitlines()))
    parts += [f"{one.what}\n\n{_block([one.line])}" for one in command.examples]
    own = [*command.flags, *(flag for flag in command.shared if flag not in HTTP)]
    parts += [_options(sorted(own, key=lambda flag: flag.name))] * bool(own)
    if any(flag in HTTP for flag in command.shared):
        parts.append("And the [options of every command that calls a server]"
                     "(#options-of-every-command-that-calls-a-server).\n")  # fmt: skip
    return "\n".join(parts)


def _block(lines: Iterable[str]) -> str:
    return "\n".join(f"    {line}".rstrip() for line in lines) + "\n"


def _options(flags: Iterable[Flag]) -> str:
    return markdown.table(("option", "what it does", "variable"), map(_option, flags))


def _option(flag: Flag) -> tuple[str, str, str]:
    value = "" if flag.kind is Kind.SWITCH else f"=<{flag.kind.value}>"
    names = markdown.code(f"-{flag.name}{value}")
    names += f", {markdown.code(f'-{flag.alias}')}" if flag.alias else ""
    return names, flag.help, markdown.code(f"CUSTODY_{flag.variable}" if flag.variable else "")


def _variables() -> str:
    rows = ((markdown.code(f"CUSTODY_{name}"), text) for name, text in VARIABLES.items())
    return markdown.table(("variable", "what it is"), rows)
