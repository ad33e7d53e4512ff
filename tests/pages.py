"""Runs what a page of docs/ shows, as its reader would: in a shell, one command after another.

A page is prose and fenced blocks:

    ```sh                     commands. `# type a share`, `# each holder types a new share` and
                              `# type the token` say what is typed on the terminal, without echo
    ```text                   what the command before printed, in these lines; `…` is anything
    ```hcl title="NAME"       a file of that name, to be there from here on
    ```hcl                    a part of a server's configuration, which must be one
    ```python                 a program

A block after `<!-- not run: why -->` is shown only. Paths below /etc, /run and /var, and the ports
that a page names, stand for places of the test's own.
"""

import contextlib
import os
import re
import shlex
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.certificates import self_signed
from tests.harness import CUSTODY, PATIENCE, kill_all

from custody.serve import config

DOCS = Path(__file__).parents[1] / "docs"
_BLOCK = re.compile(
    r"(?P<unrun><!-- not run: [^>]+ -->\n+)?"
    r"^ *```(?P<kind>\w+)(?: title=\"(?P<title>[^\"]+)\")?\n"
    r"(?P<text>.*?)^ *```$",
    re.MULTILINE | re.DOTALL,
)
_TYPED = re.compile(r"#(?P<each>.*\beach\b)?.*\btypes? (?:a|the) (?:\w+ )?(?P<what>share|token)")
_PLACES = re.compile(r"(?<![\w.])/(etc|run|var)/")
_MINIMAL = (
    'storage "lmdb" { path = "/var/lib/custody" }\nlistener "tcp" { address = "127.0.0.1:0" }\n'
)
_CAPTURED = {
    "ENCODED": re.compile(r"^Encoded Token\s+(\S+)$", re.MULTILINE),
    "TOKEN": re.compile(r"^(?:Initial Root Token:|token)\s+(\S+)$", re.MULTILINE),
    "WRAPPED": re.compile(r"^wrapping_token:\s+(\S+)$", re.MULTILINE),
    "ACCESSOR": re.compile(r"^(?:token_)?accessor\s+(\S+)$", re.MULTILINE),
    "OTP": re.compile(r"^OTP\s+(\S+)$", re.MULTILINE),
}
_SHARES = re.compile(r"^(?:Unseal Key|Recovery Key|Key) \d+: (\S+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Block:
    """One fenced block. `run` is false for one that is shown only."""

    kind: str
    title: str
    text: str
    run: bool


def blocks(page: Path) -> list[Block]:
    """The fenced blocks of a page, in order."""
    return [
        Block(
            found["kind"],
            found["title"] or "",
            textwrap.dedent(found["text"]),
            found["unrun"] is None,
        )
        for found in _BLOCK.finditer(page.read_text(encoding="utf-8"))
    ]


def statements(text: str) -> Iterator[str]:
    """The commands of a block: a line each, with what a backslash or a here-document adds."""
    lines = iter(text.splitlines())
    for line in lines:
        if not line.strip() or line.startswith("#"):
            continue
        whole = [line]
        end = re.search(r"<<-? ?'?(\w+)'?", line)
        while (end and whole[-1].strip() != end[1]) or (not end and whole[-1].endswith("\\")):
            whole.append(next(lines))
        yield "\n".join(whole)


@dataclass
class Reader:
    """One who follows a page, in a directory of their own."""

    home: Path
    variables: dict[str, str] = field(default_factory=dict)
    ports: dict[str, int] = field(default_factory=dict)  # which the page names
    shares: list[str] = field(default_factory=list)
    threshold: int = 1
    names: dict[str, str] = field(default_factory=dict)
    printed: str = ""
    servers: list[subprocess.Popen[str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        for place in ("etc/custody/tls", "run/keys", "var/lib/custody", "var/log/custody"):
            (self.home / place).mkdir(parents=True)
        self_signed(self.home / "etc/custody/tls")
        (self.home / "etc/custody/tls/key.pem").chmod(0o600)
        path = f"{CUSTODY.parent}:{os.environ['PATH']}"
        self.variables = {"HOME": str(self.home), "PATH": path, **self.variables}

    def follow(self, page: Path) -> None:
        """Do all that the page shows. Raises AssertionError for what does not come out so."""
        for block in blocks(page):
            if block.run:
                self._take(block)

    def close(self) -> None:
        """End the servers that the page started."""
        for server in self.servers:
            server.terminate()
            try:
                server.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                kill_all([server.pid])
            if server.stdout is not None:
                server.stdout.close()

    def _take(self, block: Block) -> None:
        if block.kind == "sh":
            self.printed = ""
            for statement in statements(block.text):
                self._run(statement)
        elif block.kind == "text":
            self._compare(block.text)
        elif block.kind == "hcl":
            self._keep(block)
        elif block.kind == "python":
            self._execute([sys.executable, "-c", self._here(block.text)])

    def _keep(self, block: Block) -> None:
        if block.title:
            place = Path(self._here(block.title))
            (self.home / place).write_text(self._here(block.text))
            return
        part = self.home / "part.hcl"
        missing = [line for line in _MINIMAL.splitlines() if line.split()[0] not in block.text]
        part.write_text(self._here("\n".join([block.text, *missing])))
        config.load([f"-config={part}"], {})

    def _run(self, statement: str) -> None:
        line = self._here(statement)
        if line.startswith("custody server"):
            self._serve(line)
            return
        typed = _TYPED.search(line)
        if typed is None:
            self._execute(["bash", "-c", self._in_shell(line)])
        elif typed["what"] == "token":
            self._type(line, self.names["TOKEN"])
        else:
            for share in self.shares[: self.threshold if typed["each"] else 1]:
                self._type(line, share)

    def _serve(self, line: str) -> None:
        server = subprocess.Popen(  # noqa: S603 - our own server
            [CUSTODY, *shlex.split(line, comments=True)[1:]],
            cwd=self.home,
            env=self.variables,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.servers.append(server)
        assert server.stdout is not None
        said = server.stdout.readline()
        assert said.startswith("custody is ready at"), line
        self.printed += said

    def _in_shell(self, line: str) -> str:
        """The line, in a shell that knows what was exported and set before it."""
        kept = self.home / ".variables"
        kept.touch()
        return f". {kept}\nset -eu -o pipefail\n{line}\ndeclare -p | grep -v ' -[a-z]*r' > {kept}\n"

    def _execute(self, command: list[str]) -> None:
        done = subprocess.run(  # noqa: S603 - what our own pages show
            command,
            cwd=self.home,
            env=self.variables,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        # What a doctor finds of this machine is not the page's matter: 2 is something to look at.
        fine = (0, 2) if "custody doctor" in command[-1] else (0,)
        assert done.returncode in fine, f"{command[-1]}\n{done.stdout}{done.stderr}"
        self._heard(done.stdout + done.stderr)

    def _type(self, line: str, text: str) -> None:
        """Run a command on a terminal of its own and answer its question."""
        leader, follower = os.openpty()
        with os.fdopen(leader, "r+b", buffering=0) as terminal:
            process = subprocess.Popen(  # noqa: S603 - what our own pages show
                ["setsid", "--ctty", "--wait", "bash", "-c", self._in_shell(line)],  # noqa: S607 - of util-linux
                cwd=self.home,
                env=self.variables,
                stdin=follower,
                stdout=subprocess.PIPE,
                stderr=follower,
                text=True,
            )
            os.close(follower)
            asked = b""
            timer = threading.Timer(PATIENCE, process.kill)
            timer.start()
            with contextlib.suppress(OSError):  # it ended, and its terminal with it
                while b"(will be hidden): " not in asked:
                    asked += terminal.read(1024)
                terminal.write(text.encode() + b"\n")
            said, _ = process.communicate()
            timer.cancel()
        assert process.returncode == 0, f"{line}\n{asked.decode()}{said}"
        self._heard(said)

    def _heard(self, said: str) -> None:
        self.printed += said
        if shares := _SHARES.findall(said):
            self.shares = shares
        for name, pattern in _CAPTURED.items():
            if found := pattern.search(said):
                self.names[name] = found[1]

    def _compare(self, text: str) -> None:
        """Each line of `text` is among those that were printed, blanks aside."""
        printed = [" ".join(line.split()) for line in self.printed.splitlines()]
        for line in filter(str.strip, text.splitlines()):
            pattern = ".*".join(re.escape(" ".join(part.split())) for part in line.split("…"))
            found = any(re.fullmatch(pattern.replace(".*", " ?.* ?"), one) for one in printed)
            assert found, f"{line!r} was not printed:\n{self.printed}"

    def _here(self, text: str) -> str:
        text = _PLACES.sub(rf"{self.home}/\1/", text)
        for port, own in self.ports.items():
            text = text.replace(f":{port}", f":{own}")
        for name, value in self.names.items():
            text = re.sub(rf"(?<![\w$]){name}(?!\w|=)", value, text)
        return text


def unrun(page: Path) -> Mapping[str, str]:
    """The blocks of a page that are shown only, by their first line, with the reason."""
    return {
        found["text"].strip().splitlines()[0].strip(): found["unrun"].strip()
        for found in _BLOCK.finditer(page.read_text(encoding="utf-8"))
        if found["unrun"]
    }
