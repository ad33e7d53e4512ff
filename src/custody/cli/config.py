"""`custody config check`: what a server would say of its configuration, without starting one."""

from custody.cli.command import ANY, FORMAT, Command, Context, Example
from custody.cli.errors import UsageError
from custody.cli.flags import Flag, Kind


def check(context: Context) -> int:
    """Read the configuration as the server does; 0 when it could start with it, 1 when not."""
    from custody.serve import certificate, config  # noqa: PLC0415 clients do not pay for it

    files = [*context.options.texts("config"), *context.arguments]
    if not files:
        raise UsageError("name the files: custody config check /etc/custody.hcl")
    arguments = [f"-config={file}" for file in files]
    try:
        settings, warnings, wrong = config.examine(arguments, context.environment.variables)
    except config.BadConfiguration as error:
        raise UsageError(str(error)) from error
    wrong += certificate.faults(settings)
    text = "\n".join(wrong)
    if wrong:  # then the warnings may be of what a mistake has left out
        if not context.is_table:
            context.show({"valid": False, "error": text, "errors": wrong, "warnings": []})
        raise UsageError(text)
    if not context.is_table:
        return context.show({"valid": True, "error": "", "errors": [], "warnings": warnings})
    for warning in warnings:
        context.console.warn(f"Warning: {warning}")
    return context.done("Success! The configuration can be used.")


_FILES = (Flag("config", "A file or directory, as for `custody server`.", Kind.TEXTS),)

COMMANDS = (
    Command(
        "config check",
        "Check configuration files before a server is started or reloaded with them.",
        (
            Example("One file:", "custody config check /etc/custody.hcl"),
            Example("A directory and a file:",
                    "custody config check -config=/etc/custody.d -config=/run/custody.hcl"),
        ),
        check,
        "[FILE...]",
        (0, ANY),
        _FILES,
        FORMAT,
    ),
    Command(
        "operator validate-config",
        "The same as `config check`, under the name that OpenBao has for it.",
        (Example("One file:", "custody operator validate-config /etc/custody.hcl"),),
        check,
        "[FILE...]",
        (0, ANY),
        _FILES,
        FORMAT,
    ),
)  # fmt: skip
