"""What a command is: a row of a table, and what it is handed when it runs."""

import io
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TextIO

from custody.cli import output
from custody.cli.environment import Environment
from custody.cli.errors import UsageError
from custody.cli.flags import Flag, Kind, Options
from custody.cli.progress import Progress
from custody.cli.request import Instead, Request

if TYPE_CHECKING:
    from custody.cli.client import Client

ANY = 1_000_000  # arguments: no upper bound

HTTP = (
    Flag("address", "Address of the server (default https://127.0.0.1:8200).", variable="ADDR"),
    Flag("agent-address", "Address of an agent, used before -address.", variable="AGENT_ADDR"),
    Flag("ca-cert", "A PEM file of the authority that signed the server's certificate.",
         variable="CACERT"),
    Flag("ca-path", "A directory of such PEM files.", variable="CAPATH"),
    Flag("client-cert", "A PEM file with a certificate to show to the server.",
         variable="CLIENT_CERT"),
    Flag("client-key", "A PEM file with the key of -client-cert.", variable="CLIENT_KEY"),
    Flag("disable-redirects", "Do not follow redirects.", Kind.SWITCH,
         variable="DISABLE_REDIRECTS"),
    Flag("header", "A header to send with each request.", Kind.PAIRS),
    Flag("mfa", "An MFA credential, id[:passcode].", Kind.TEXTS, variable="MFA"),
    Flag("namespace", "The namespace to work in.", alias="ns", variable="NAMESPACE"),
    Flag("non-interactive", "Never ask on the terminal.", Kind.SWITCH),
    Flag("output-curl-string", "Print a line that sends the request by curl; change nothing.",
         Kind.SWITCH),
    Flag("output-policy", "Print the policy that allows the command; change nothing.",
         Kind.SWITCH),
    Flag("policy-override", "Override a soft-mandatory policy.", Kind.SWITCH),
    Flag("tls-server-name", "The name to expect in the server's certificate.",
         variable="TLS_SERVER_NAME"),
    Flag("tls-skip-verify", "Do not verify the server's certificate. Unsafe.", Kind.SWITCH,
         variable="SKIP_VERIFY"),
    Flag("wrap-ttl", "Wrap the answer in a token that lives this long.", Kind.DURATION,
         variable="WRAP_TTL"),
)  # fmt: skip
FORMAT = (
    Flag("format", "How to print: table, json or yaml.", variable="FORMAT",
         choices=("table", "json", "yaml", "yml")),
)  # fmt: skip
FIELD = (Flag("field", "Print only this field, without its name."),)


@dataclass(frozen=True, slots=True)
class Console:
    """The terminal. `ask` prints a prompt and reads a line without echo."""

    stdin: TextIO
    stdout: TextIO
    stderr: TextIO
    ask: Callable[[str], str]

    def say(self, text: str) -> None:
        """A line on standard output."""
        self.stdout.write(text + "\n")

    def warn(self, text: str) -> None:
        """A line on standard error."""
        self.stderr.write(text + "\n")


@dataclass(frozen=True, slots=True)
class Example:
    """One line that works, and what it does."""

    what: str
    line: str


@dataclass(frozen=True, slots=True)
class Context:
    """One run of a command: what was typed and the world around it."""

    console: Console
    environment: Environment
    options: Options
    arguments: tuple[str, ...] = field(repr=False)  # may hold a token or an unseal key
    format: output.Format

    def client(self, *, with_token: bool = True) -> "Client":
        """A client as options and environment describe it. Raises UsageError."""
        from custody.cli.client import Client  # noqa: PLC0415 http.client takes 40 ms to import
        from custody.cli.settings import connection  # noqa: PLC0415 for the same reason

        return Client(connection(self.options, self.environment, with_token=with_token))

    def needs(self, *requests: Request, one: bool = True) -> None:
        """Where -output-policy asks for it, end here with the policy for all `requests`.

        A command that sends more than one names all of them so. With `one` false there is none
        of them that stands for the command: -output-curl-string is a UsageError.
        """
        from custody.cli.settings import Show, shown  # noqa: PLC0415 for the same reason

        asked = shown(self.options)
        if asked is Show.POLICY:
            from custody.cli import instead  # noqa: PLC0415 only this option pays for it

            raise Instead(instead.policy(requests))
        if asked is Show.CURL and not one:
            raise UsageError(
                "-output-curl-string shows one request, and this command is more than one"
            )

    @property
    def is_table(self) -> bool:
        """Whether a human reads the output."""
        return self.format is output.Format.TABLE

    def progress(self, what: str) -> Progress:
        """Shows how far `what` is, to a human only."""
        return Progress(self.console.stderr if self.is_table else io.StringIO(), what)

    def done(self, text: str) -> int:
        """Say that it worked, to a human only; exit code 0."""
        if self.is_table:
            self.console.say(text)
        return 0

    def show(self, value: Any) -> int:
        """Print `value` in the format asked for; exit code 0."""
        text = output.render(value, self.format)
        if text:
            self.console.say(text)
        return 0

    def show_columns(self, header: str, rows: Iterable[Iterable[str]]) -> int:
        """Print a table whose header is written `A | B`; exit code 0."""
        titles = [title.strip() for title in header.split("|")]
        self.console.say(output.table(titles, rows))
        return 0

    def show_answer(self, answer: Mapping[str, Any]) -> int:
        """Print an answer, its warnings apart, or the -field of it; exit code."""
        answer = output.enveloped(answer)
        if self.is_table:
            self.warn_of(answer)
        name = self.options.text("field")
        if name:
            return self.show_field(output.envelope_fields(answer), name)
        if self.is_table:
            text = output.envelope_table(answer)
            if text:
                self.console.say(text)
            return 0
        return self.show(output.envelope(answer))

    def show_field(self, fields: Mapping[str, Any], name: str) -> int:
        """Print one field bare, with a line end only on a terminal; 1 when it is not there."""
        value = fields.get(name)
        if value is None:
            self.console.warn(f'Field "{name}" not present in secret')
            return 1
        if not self.is_table:
            return self.show(output.by_key(value))
        end = "\n" if self.console.stdout.isatty() else ""
        self.console.stdout.write(output.go_text(value) + end)
        return 0

    def warn_of(self, answer: Mapping[str, Any]) -> None:
        """The answer's warnings, on standard error."""
        warnings = answer.get("warnings") or ()
        if warnings:
            self.console.warn("WARNING! The following warnings were returned from the server:\n")
        for warning in warnings:
            self.console.warn(f"  * {warning}\n")


@dataclass(frozen=True, slots=True)
class Command:
    """A row: `name` is what is typed (`kv put`), `usage` the arguments after the options.

    `arguments` are the fewest and the most that it takes. `flags` are its own; those of `shared`
    it has in common with others. `remote_exit_code` is its exit code when the server is at fault.
    A `raw` command gets its words unparsed.
    """

    name: str
    summary: str
    examples: tuple[Example, ...]
    run: Callable[[Context], int]
    usage: str = ""
    arguments: tuple[int, int] = (0, 0)
    flags: tuple[Flag, ...] = ()
    shared: tuple[Flag, ...] = HTTP + FORMAT
    text: str = ""
    remote_exit_code: int = 2
    raw: bool = False
