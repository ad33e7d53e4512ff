"""`custody policy`: what tokens may do."""

from pathlib import Path

from custody.base import files
from custody.base.errors import BadRequest
from custody.cli.command import Command, Context, Example
from custody.cli.errors import RemoteError, UsageError

_EMPTY = 2  # exit code when there is nothing there
_PATH = "sys/policies/acl"


def _name(context: Context) -> str:
    return context.arguments[0].strip().lower()


def write(context: Context) -> int:
    """Upload a policy from a file or standard input."""
    name, source = _name(context), context.arguments[1].strip()
    try:
        text = (
            context.console.stdin.read()
            if source == "-"
            else Path(source).read_text(encoding="utf-8")
        )
    except OSError as error:
        raise UsageError(f"Error opening policy file: {source}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"Error reading policy: {source} is not UTF-8 text") from error
    try:
        answer = context.client().write(f"{_PATH}/{name}", {"policy": text})
    except RemoteError as error:
        raise error.about("Error uploading policy").explained(_place(str(error), text)) from error
    context.warn_of(answer)
    if name != context.arguments[0]:
        context.console.warn(f"The policy's name is kept in lower case: {name}")
    return context.done(f"Success! Uploaded policy: {name}")


def read(context: Context) -> int:
    """Print a policy's text."""
    name = _name(context)
    try:
        answer = context.client().read(f"{_PATH}/{name}")
    except RemoteError as error:
        raise error.about(f"Error reading policy named {name}") from error
    text = (answer.get("data") or {}).get("policy")
    if not text:
        context.console.warn(f"No policy named: {name}")
        return _EMPTY
    if not context.is_table:
        return context.show({"policy": text})
    context.console.say(text.strip())
    return 0


def list_policies(context: Context) -> int:
    """Print the names of all policies."""
    try:
        answer = context.client().list(_PATH)
    except RemoteError as error:
        raise error.about("Error listing policies") from error
    names = (answer.get("data") or {}).get("keys") or []
    if not context.is_table:
        return context.show(names)
    for name in names:
        context.console.say(name)
    return 0


def delete(context: Context) -> int:
    """Delete a policy."""
    name = _name(context)
    try:
        context.client().delete(f"{_PATH}/{name}")
    except RemoteError as error:
        raise error.about(f"Error deleting {name}") from error
    return context.done(f"Success! Deleted policy: {name}")


def fmt(context: Context) -> int:
    """Lay a policy file out, in place, after a check that it is a policy."""
    from custody.base.hcl_format import CannotFormat, layout  # noqa: PLC0415 only this pays
    from custody.policy.document import parse  # noqa: PLC0415 as above

    path, text = Path(context.arguments[0].strip()), ""
    try:
        text = path.read_text(encoding="utf-8")
        parse(path.name, text)
        if text.lstrip().startswith("{"):
            raise UsageError(f"{path} is JSON: only HCL is formatted")
        laid = layout(text)
        if laid != text:
            files.replace(path, laid.encode())
    except OSError as error:
        raise UsageError(f"Error reading policy file: {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"Error reading policy: {path} is not UTF-8 text") from error
    except (BadRequest, CannotFormat) as error:
        reason = error.messages[0] if isinstance(error, BadRequest) else "it cannot be laid out"
        place = _place(reason, text)
        raise UsageError(
            f"Error formatting {path}: {reason}" + (f"\n\n{place}" if place else "")
        ) from error
    return context.done(f"Success! Formatted policy: {path}")


def _place(reason: str, text: str) -> str:
    """Where in a policy's text that is which `reason` names, and what may be meant by it."""
    import difflib  # noqa: PLC0415 needed only for a mistake; costs start-up time
    import re  # noqa: PLC0415 as above

    from custody.policy import capability  # noqa: PLC0415 as above

    found = re.search(r'invalid capability "([^"]+)"', reason)
    if found is None:
        return ""
    name = found[1]
    lines = [str(number) for number, line in enumerate(text.splitlines(), 1)
             if f'"{name}"' in line]  # fmt: skip
    near = difflib.get_close_matches(name, capability.BITS, n=1, cutoff=0.5)
    place = f'"{name}" is on line {" and ".join(lines)}' if lines else f'"{name}" is no capability'
    return place + (f'; did you mean "{near[0]}"?' if near else ".")


COMMANDS = (
    Command(
        "policy fmt",
        "Lay a policy file out, in place.",
        (Example("After editing:", "custody policy fmt web.hcl"),),
        fmt,
        "FILE",
        (1, 1),
        shared=(),
    ),
    Command(
        "policy write",
        "Upload a policy. It governs the very next request.",
        (
            Example("From a file:", "custody policy write web web.hcl"),
            Example("From standard input:", "cat web.hcl | custody policy write web -"),
        ),
        write,
        "NAME FILE",
        (2, 2),
    ),
    Command(
        "policy read",
        "Print a policy.",
        (Example("Print the default policy:", "custody policy read default"),),
        read,
        "NAME",
        (1, 1),
    ),
    Command(
        "policy list",
        "List the names of all policies.",
        (Example("Their names:", "custody policy list"),),
        list_policies,
    ),
    Command(
        "policy delete",
        "Delete a policy. Tokens that name it lose what it gave.",
        (Example("Delete a policy:", "custody policy delete web"),),
        delete,
        "NAME",
        (1, 1),
    ),
)
