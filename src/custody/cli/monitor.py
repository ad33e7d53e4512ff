"""`custody monitor`: the server's log, as it is written."""

import codecs
from typing import Final

from custody.cli.command import Command, Context, Example
from custody.cli.errors import RemoteError, UsageError
from custody.cli.flags import Flag

_LEVELS: Final = ("trace", "debug", "info", "warn", "error")
_FORMS: Final = ("standard", "json")


def run(context: Context) -> int:
    """Print lines until the server ends, or whoever reads does."""
    parameters = {
        "log_format": _one_of(context, "log-format", _FORMS),
        "log_level": _one_of(context, "log-level", _LEVELS),
    }
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    out = context.console.stdout
    try:
        for piece in context.client().follow("sys/monitor", parameters):
            out.write(decoder.decode(piece))
            out.flush()
    except RemoteError as error:
        raise error.about("Error starting monitor") from error
    return 0


def _one_of(context: Context, name: str, known: tuple[str, ...]) -> str:
    value = context.options.text(name).lower() or _DEFAULTS[name]
    if value not in known:
        what = name.replace("-", " ")
        listed = " ".join(known)
        raise UsageError(f"{value} is an unknown {what}. Valid {what}s are: [{listed}]")
    return value


_DEFAULTS: Final = {"log-level": "info", "log-format": "standard"}

COMMANDS = (
    Command(
        "monitor",
        "Print what the server logs, as it logs it, also what its own log leaves out.",
        (
            Example("What a server says:", "custody monitor"),
            Example("More than its log holds:", "custody monitor -log-level=debug"),
            Example("One JSON object a line:", "custody monitor -log-format=json"),
        ),
        run,
        flags=(
            Flag("log-level", "From which level on: trace, debug, info (the default), warn or"
                 " error.", choices=_LEVELS),
            Flag("log-format", "How lines are written: standard (the default) or json.",
                 choices=_FORMS),
        ),
    ),
)  # fmt: skip
