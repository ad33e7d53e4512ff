"""The entry point: find the command, parse its options, run it, turn what happens into a code.

Exit codes: 0 done, 1 a mistake on this side, 2 the server's refusal, 127 no such command, 130
interrupted. Standard output holds results only; everything else goes to standard error.
"""

import contextlib
import errno
import getpass
import io
import os
import sys
from collections.abc import Sequence

from custody.cli import environment as environments
from custody.cli import help as helps
from custody.cli.command import Command, Console, Context
from custody.cli.environment import Environment
from custody.cli.errors import CommandError, RemoteError, UsageError
from custody.cli.flags import Options, parse
from custody.cli.output import Format
from custody.cli.request import Instead
from custody.cli.tree import COMMANDS, GROUPS

_UNKNOWN = 127
_INTERRUPTED = 130
_BROKEN_PIPE = 141
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_HELP = frozenset({"-h", "-help", "--help"})
_VERSION = frozenset({"-v", "-version", "--version"})
_DEPTH = max(name.count(" ") for name in COMMANDS) + 1  # words of the longest command


def main() -> int:
    """Run the command of this process; the exit code."""
    # A stream that the caller closed is None: then there is nothing to read, nobody to tell.
    stdin, stdout, stderr = (
        stream or io.StringIO() for stream in (sys.stdin, sys.stdout, sys.stderr)
    )
    console = Console(stdin, stdout, stderr, getpass.getpass)
    try:
        code = run(sys.argv[1:], environments.load(), console)
        console.stdout.flush()
    except KeyboardInterrupt:
        return _INTERRUPTED
    except BrokenPipeError:
        _give_up_output()
        return _BROKEN_PIPE
    except OSError as error:
        if error.errno not in _FULL:
            raise
        _give_up_output()
        console.warn(f"the output cannot be written: {error.strerror}")
        return 1
    return code


def _give_up_output() -> None:
    """What is left in the buffer must not fail at exit as well."""
    with contextlib.suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def run(words: Sequence[str], environment: Environment, console: Console) -> int:
    """Run the command that `words` name; the exit code."""
    if words and words[0] in _VERSION:
        words = ("version",)
    elif words and words[0] == "help":
        words = (*words[1:], "-h")
    command, rest = _find(words)
    if command is None:
        return _help_or_unknown(words, console)
    own = rest[: rest.index("--")] if "--" in rest else rest
    if not _HELP.isdisjoint(own):
        console.say(helps.of_command(command))
        return 0
    return _guarded(command, rest, environment, console)


def _guarded(
    command: Command, words: Sequence[str], environment: Environment, console: Console
) -> int:
    """Run `command`; an error becomes a text and a code."""
    try:
        return command.run(_context(command, words, environment, console))
    except Instead as instead:
        console.say(instead.text)
        return 0
    except RemoteError as error:
        text, code = str(error), command.remote_exit_code
    except CommandError as error:
        text, code = str(error), error.exit_code
    except UnicodeEncodeError:
        text, code = "the terminal's encoding cannot show this output: use one of UTF-8", 1
    except RecursionError:
        text, code = "the data is nested too deeply to be printed", 1
    console.warn(text)
    return code


def _find(words: Sequence[str]) -> tuple[Command | None, list[str]]:
    for length in range(min(_DEPTH, len(words)), 0, -1):
        command = COMMANDS.get(" ".join(words[:length]))
        if command is not None:
            return command, list(words[length:])
    return None, []


def _help_or_unknown(words: Sequence[str], console: Console) -> int:
    names = [word for word in words if word not in _HELP]
    name = " ".join(names)
    if name in GROUPS:
        text = helps.of_group(name, GROUPS[name], _members(name))
        if len(names) < len(words):
            console.say(text)
            return 0
        console.warn(text)
        return 1 if name else _UNKNOWN
    # Only as far as the first unknown word: what follows it may be a secret.
    typed = next(
        names[: length + 1]
        for length in range(_DEPTH, -1, -1)
        if " ".join(names[:length]) in GROUPS
    )
    console.warn(helps.unknown(typed, COMMANDS, GROUPS))
    return _UNKNOWN


def _members(group: str) -> list[tuple[str, str]]:
    """The commands and groups directly under `group`, without its name."""
    under = f"{group} " if group else ""
    named = {**{name: command.summary for name, command in COMMANDS.items()}, **GROUPS}
    return [
        (name.removeprefix(under), summary)
        for name, summary in named.items()
        if name and name.startswith(under) and " " not in name.removeprefix(under)
    ]


def _context(
    command: Command, words: Sequence[str], environment: Environment, console: Console
) -> Context:
    if command.raw:
        options, arguments = parse((), ("--", *words))
    else:
        options, arguments = parse((*command.flags, *command.shared), words)
        _check_count(command, len(arguments))
    form = _format(command, options, environment)
    return Context(console, environment, options, tuple(arguments), form)


def _format(command: Command, options: Options, environment: Environment) -> Format:
    text = (options.text("format") or environment.get("FORMAT") or "table").lower()
    choices = next((flag.choices for flag in command.shared if flag.name == "format"), (text,))
    if text in choices:
        return Format(text)
    if text == Format.RAW.value:
        raise UsageError("This command does not support the -format=raw option.")
    raise UsageError(f"Invalid output format: {text} (table, json or yaml)")


def _check_count(command: Command, count: int) -> None:
    fewest, most = command.arguments
    if fewest <= count <= most:
        return
    few = count < fewest
    expected = f"{fewest}" if fewest == most else f"at least {fewest}" if few else f"at most {most}"
    raise UsageError(
        f"{'Not enough' if few else 'Too many'} arguments (expected {expected}, got {count})\n\n"
        f"Usage: custody {command.name} [options] {command.usage}".rstrip()
    )
