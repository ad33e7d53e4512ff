"""`custody doctor`: common mistakes around a server and its clients, and what mends each."""

from collections.abc import Iterator, Sequence

from custody.base.clock import SystemClock
from custody.base.diagnosis import Diagnosis, State, fail, warn, well
from custody.cli import doctor_client, doctor_server, output
from custody.cli.command import ANY, FORMAT, HTTP, Command, Context, Example
from custody.cli.flags import Flag, Kind
from custody.cli.request import Request

_CONFIG = "configuration"
_CODES = {State.OK: 0, State.WARN: 2, State.FAIL: 1}  # as Vault's `operator diagnose`


def run(context: Context) -> int:
    """Examine all that can be seen from here; 0 all well, 1 something fails, 2 warnings only."""
    clock, found = SystemClock(), list[Diagnosis]()
    context.needs(*(Request("GET", path) for path in doctor_server.ASKED), one=False)
    files = [*context.options.texts("config"), *context.arguments]
    found += _node(context, files)
    found += doctor_client.examine(context)
    if not context.options.switch("offline"):
        found += doctor_server.examine(context, clock)
    return _shown(context, found)


def _node(context: Context, files: Sequence[str]) -> Iterator[Diagnosis]:
    """What the configuration says, and the machine that it is for."""
    if not files:
        return
    from custody.serve import checkup, config  # noqa: PLC0415 clients do not pay for it

    arguments = [f"-config={file}" for file in files]
    try:
        settings, warnings = config.load(arguments, context.environment.variables)
    except config.BadConfiguration as error:
        for text in error.faults:
            yield fail(_CONFIG, text, "correct it; custody config check says when it is right")
        return
    yield well(_CONFIG, f"{', '.join(files)} can be used")
    for text in warnings:
        yield warn(_CONFIG, text, "remove or correct it, unless it is meant so")
    yield from checkup.examine(settings, SystemClock())


def _shown(context: Context, found: Sequence[Diagnosis]) -> int:
    worst = max((one.state for one in found), key=_weight, default=State.OK)
    if not context.is_table:
        context.show([
            {"subject": one.subject, "state": str(one.state), "text": one.text, "fix": one.fix}
            for one in found
        ])  # fmt: skip
        return _CODES[worst]
    for one in found:
        context.console.say(f"[{one.state.upper():>4}] {one.subject}: {one.text}")
        if one.fix:
            context.console.say(f"       Fix: {one.fix}")
    counts = {state: sum(one.state is state for one in found) for state in State}
    context.console.say("\n" + output.wrapped(
        f"{counts[State.OK]} well, {counts[State.WARN]} to look at, {counts[State.FAIL]} wrong."
    ))  # fmt: skip
    return _CODES[worst]


def _weight(state: State) -> int:
    return list(State).index(state)


_FLAGS = (
    Flag("config", "A file or directory of the server on this machine.", Kind.TEXTS),
    Flag("offline", "Do not ask the server.", Kind.SWITCH),
)
_TEXT = """\
It looks at the server's configuration where -config names it: data directory, audit files,
certificates, addresses, clock, limits. At this client: address, token, where it is kept. At the
server: can it be reached, is it unsealed, does it record, is its clock right. Nothing is changed.
Exit code 0: all well, 1: something is wrong, 2: something to look at."""

COMMANDS = (
    Command(
        "doctor",
        "Find common mistakes in configuration and environment, and say what mends them.",
        (
            Example("On the server:", "custody doctor -config=/etc/custody"),
            Example("From a client:", "custody doctor"),
        ),
        run,
        "[FILE...]",
        (0, ANY),
        _FLAGS,
        HTTP + FORMAT,
        _TEXT,
    ),
    Command(
        "operator diagnose",
        "The same as `doctor`, under the name that OpenBao has for it.",
        (Example("Before the first start:",
                 "custody operator diagnose -offline -config=/etc/custody"),),
        run,
        "[FILE...]",
        (0, ANY),
        _FLAGS,
        HTTP + FORMAT,
        _TEXT,
    ),
)  # fmt: skip
