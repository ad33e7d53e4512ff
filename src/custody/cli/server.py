"""`custody server` and `custody version`."""

from importlib import import_module

from custody import __version__
from custody.cli.command import ANY, Command, Context, Example

# By name: a client's command must not pay for importing the server.
_SUPERVISOR = "custody.serve.supervisor"


def server(context: Context) -> int:
    """Run the server until it is told to stop; its own exit code."""
    code: int = import_module(_SUPERVISOR).main(list(context.arguments))
    return code


def version(context: Context) -> int:
    """Print the version of this program."""
    context.console.say(f"Custody v{__version__}")
    return 0


COMMANDS = (
    Command(
        "server",
        "Run the server in the foreground.",
        (Example("With a configuration file:", "custody server -config=/etc/custody.hcl"),),
        server,
        "-config=FILE",
        (0, ANY),
        shared=(),
        raw=True,
    ),
    Command(
        "version",
        "Print the version of this program.",
        (Example("The version:", "custody version"),),
        version,
        shared=(),
    ),
)
