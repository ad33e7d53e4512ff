"""`custody server` and `custody version`."""

from custody import __version__
from custody.cli.command import ANY, Command, Context, Example


def server(context: Context) -> int:
    """Run the server until it is told to stop; its own exit code."""
    from custody.serve.supervisor import main  # noqa: PLC0415 a client must not pay for it

    return main(list(context.arguments))


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
