"""`custody completion`: what a shell completes a command line with, from the table of commands."""

from collections.abc import Callable, Mapping, Sequence

from custody.cli.command import ANY, Command, Context, Example
from custody.cli.flags import Flag, Kind


def _script(text: str) -> Callable[[Context], int]:
    """A command that prints `text`."""

    def run(context: Context) -> int:
        context.console.stdout.write(text)
        return 0

    return run


def words(context: Context) -> int:
    """Print the words that may stand where the last argument does, a line each."""
    typed = context.arguments[1:] if context.arguments[:1] == ("--",) else context.arguments
    from custody.cli.tree import COMMANDS, GROUPS  # noqa: PLC0415 the tree imports this module

    for word in candidates(COMMANDS, GROUPS, typed or ("",)):
        context.console.say(word)
    return 0


def candidates(
    commands: Mapping[str, Command], groups: Mapping[str, str], typed: Sequence[str]
) -> list[str]:
    """What may stand in place of the last of `typed`; [] where a file name may."""
    *before, last = typed
    names = [*before]
    while names and " ".join(names) not in commands:
        names.pop()
    command = commands.get(" ".join(names))
    if command is None:
        return _names(commands, groups, before, last)
    flags = {name: flag for flag in (*command.flags, *command.shared)
             for name in (flag.name, flag.alias) if name}  # fmt: skip
    return _options(flags, [word for word in before[len(names) :] if word != "="], last)


def _names(
    commands: Mapping[str, Command], groups: Mapping[str, str], before: Sequence[str], last: str
) -> list[str]:
    under = "".join(f"{word} " for word in before)
    following = {
        name.removeprefix(under).partition(" ")[0]
        for name in (*commands, *groups)
        if name.startswith(under) and name != under.strip()
    }
    return sorted(name for name in following if name.startswith(last))


def _options(flags: Mapping[str, Flag], before: Sequence[str], last: str) -> list[str]:
    """Options, or the values of one. Bash hands over `-a=b` as three words, others as one."""
    flag = flags.get(before[-1].lstrip("-")) if before and before[-1].startswith("-") else None
    if flag is not None and flag.kind is not Kind.SWITCH:
        return [choice for choice in flag.choices if choice.startswith(last.removeprefix("="))]
    if not last.startswith("-"):
        return []
    name, equals, value = last.lstrip("-").partition("=")
    dashes = "--" if last.startswith("--") else "-"
    if equals:
        choices = flags[name].choices if name in flags else ()
        return [f"{dashes}{name}={one}" for one in choices if one.startswith(value)]
    return sorted(dashes + one for one in flags if one.startswith(name))


_BASH = """\
_custody() {
    local IFS=$'\\n'
    COMPREPLY=($(custody completion words -- "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null))
}
complete -o default -F _custody custody
"""
_ZSH = """\
#compdef custody
compdef _custody custody
_custody() {
    local -a found
    found=("${(@f)$(custody completion words -- "${(@)words[2,CURRENT]}" 2>/dev/null)}")
    if [[ -n "$found[1]" ]]; then
        compadd -- "${found[@]}"
    else
        _files
    fi
}
# A file of $fpath is what the first call runs: that call completes, too.
if [[ "$funcstack[1]" == _custody ]]; then
    _custody "$@"
fi
"""
_FISH = """\
function __custody_words
    set -l typed (commandline -opc) (commandline -ct)
    custody completion words -- $typed[2..-1] 2>/dev/null
end
complete -c custody -f -n 'count (__custody_words) >/dev/null' -a '(__custody_words)'
"""

COMMANDS = (
    *(
        Command(
            f"completion {shell}",
            f"Print what teaches {shell} to complete commands and options.",
            (Example(f"{place}:", f"custody completion {shell}{into}"),),
            _script(text),
            shared=(),
        )
        for shell, text, place, into in (
            ("bash", _BASH, "For every shell of this user", " >> ~/.bashrc"),
            ("zsh", _ZSH, "Into a directory of $fpath", " > ~/.zfunc/_custody"),
            ("fish", _FISH, "For this user", " > ~/.config/fish/completions/custody.fish"),
        )
    ),
    Command(
        "completion words",
        "Print the words that may follow: what those scripts call.",
        (Example("What follows `kv`:", "custody completion words -- kv ''"),),
        words,
        "-- WORD...",
        (0, ANY),
        shared=(),
        raw=True,
    ),
)
