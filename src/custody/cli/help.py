"""Help: pure functions from the table of commands to text, and guesses for a mistyped name."""

from collections.abc import Iterable, Mapping, Sequence

from custody.cli.command import HTTP, Command
from custody.cli.flags import Flag, Kind

_INDENT = "      "


def of_command(command: Command) -> str:
    """Everything about one command: usage, examples, options."""
    options = "[options]" if command.flags or command.shared else ""
    usage = " ".join(filter(None, ("Usage: custody", command.name, options, command.usage)))
    parts = [usage, f"  {command.summary}"]
    if command.text:
        parts.append("\n".join(f"  {line}" for line in command.text.strip().splitlines()))
    parts += [f"  {example.what}\n\n{_INDENT}$ {example.line}" for example in command.examples]
    common = [flag for flag in command.shared if flag not in HTTP]
    own = sorted([*command.flags, *common], key=lambda flag: flag.name)
    if own:
        parts.append("Command Options:\n\n" + _flags(own))
    if any(flag in HTTP for flag in command.shared):
        parts.append("HTTP Options:\n\n" + _flags(HTTP))
    return "\n\n".join(parts)


def of_group(name: str, summary: str, members: Iterable[tuple[str, str]]) -> str:
    """What is under `name` ("" for everything): a line each."""
    listed = sorted(members)
    width = max(len(member) for member, _ in listed)
    lines = [f"    {member.ljust(width)}    {text}" for member, text in listed]
    command = f"custody {name}".rstrip()
    return (
        f"Usage: {command} <command> [options] [arguments]\n\n  {summary}\n\n"
        f"Commands:\n\n" + "\n".join(lines) + f"\n\nMore about one: {command} <command> -h"
    )


def unknown(typed: Sequence[str], known: Iterable[str], groups: Mapping[str, str]) -> str:
    """What to say about a name that is no command, with the nearest ones that are."""
    import difflib  # noqa: PLC0415 needed only for a mistake; costs start-up time

    name = " ".join(typed)
    near = difflib.get_close_matches(name, [*known, *groups], n=3, cutoff=0.6)
    text = f'"{name}" is not a command of custody.'
    if near:
        text += "\n\nDid you mean:\n\n" + "\n".join(f"    custody {found}" for found in near)
    return text + "\n\nAll commands: custody -h"


def _flags(flags: Iterable[Flag]) -> str:
    return "\n\n".join(_flag(flag) for flag in flags)


def _flag(flag: Flag) -> str:
    value = "" if flag.kind is Kind.SWITCH else f"=<{flag.kind.value}>"
    names = f"  -{flag.name}{value}" + (f" (or -{flag.alias})" if flag.alias else "")
    variable = f" Environment: CUSTODY_{flag.variable}." if flag.variable else ""
    return f"{names}\n{_INDENT}{flag.help}{variable}"
