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


_SERVER = """\
FILE is HCL or JSON; of a directory, its .hcl and .json files are read in order. What stands last
wins, the environment (CUSTODY_API_ADDR, CUSTODY_LOG_LEVEL, CUSTODY_LOG_FORMAT) wins over files,
and the options over both. SIGHUP reads all of it again; SIGTERM ends the server."""

COMMANDS = (
    Command(
        "server",
        "Run the server in the foreground.",
        (Example("With a configuration file:", "custody server -config=/etc/custody.hcl"),),
        server,
        "-config=FILE [-config=FILE...] [-log-level=LEVEL] [-log-format=FORMAT]",
        (0, ANY),
        shared=(),
        text=_SERVER,
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
