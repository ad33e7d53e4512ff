"""`custody debug`: what a server tells of itself over some time, in files for whoever helps.

Nothing secret is asked for, and what a token may not see is left out and said so. The files are
their owner's alone. An interruption ends it early and keeps what there is.
"""

import contextlib
import json
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from custody import __version__
from custody.base.clock import NANOSECOND, Clock, SystemClock, rfc3339
from custody.base.duration import parse_ns
from custody.cli.command import FORMAT, HTTP, Command, Context, Example
from custody.cli.ending import Ending
from custody.cli.errors import CommandError, RemoteError, UsageError
from custody.cli.flags import Flag, Kind
from custody.cli.output import to_json
from custody.cli.request import Request

if TYPE_CHECKING:
    from custody.cli.client import Client

_TARGETS: Mapping[str, Mapping[str, str]] = {
    "config": {"config": "sys/config/state/sanitized"},
    "ha": {"ha_status": "sys/ha-status", "leader": "sys/leader"},
    "host": {"host_info": "sys/host-info"},
    "log": {},  # comes by itself, see `_Log`
    "metrics": {"metrics": "sys/metrics"},
    "requests": {"requests": "sys/in-flight-req"},
    "server-status": {"health": "sys/health", "seal_status": "sys/seal-status"},
}
_LOG, _LOG_FILE, _MONITOR = "log", "custody.log", "sys/monitor"
_OFTENER = frozenset({"metrics"})  # asked for at -metrics-interval
_SHORTEST = 5  # seconds between two looks, as in Vault


@dataclass(slots=True)
class _Findings:
    """What was found, by file, and what could not be."""

    files: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    errors: list[dict[str, str]] = field(default_factory=list)

    def look(self, client: "Client", targets: Sequence[str], clock: Clock) -> None:
        """Ask for everything of these targets once."""
        for target in targets:
            for name, path in _TARGETS[target].items():
                now = rfc3339(clock.now_ns())
                try:
                    parameters = {"sealedcode": 200, "uninitcode": 200}
                    found = client.read(path, parameters if name == "health" else {})
                except CommandError as error:
                    text = error.text if isinstance(error, RemoteError) else str(error)
                    self._missed(target, now, text.strip().splitlines()[-1])
                    continue
                if found:
                    shown = found.get("data") or found
                    self.files.setdefault(name, []).append({"timestamp": now, **shown})
                else:
                    self._missed(target, now, f"{path}: nothing there")

    def _missed(self, target: str, now: str, text: str) -> None:
        if not any(one["target"] == target and one["error"] == text for one in self.errors):
            self.errors.append({"timestamp": now, "target": target, "error": text})


class _Log(threading.Thread):
    """Writes what the server logs into a file, for so many seconds from its start."""

    def __init__(self, client: "Client", path: Path, seconds: int) -> None:
        super().__init__(daemon=True)
        self._ending = Ending()
        self._client = client
        self._path = path
        self._seconds = seconds
        self.errors: list[dict[str, str]] = []

    def finish(self) -> None:
        """Wait for its end, if it has begun."""
        if self.ident is not None:
            self.join()

    def close(self) -> None:
        """Let it end now: from then on it writes nothing."""
        self._ending.end()
        self.finish()

    def run(self) -> None:
        """Take lines as they come; the file is there once there is one."""
        level = {"log_level": "debug"}
        lines = self._client.follow(_MONITOR, level, self._seconds, self._ending)
        try:
            for piece in lines:
                self._path.touch(mode=0o600)
                with self._path.open("ab") as file:
                    file.write(piece)
        except (CommandError, OSError) as error:
            if self._ending.ended:
                return
            text = error.text if isinstance(error, RemoteError) else str(error)
            now = rfc3339(SystemClock().now_ns())
            last = text.strip().splitlines()[-1]
            self.errors.append({"timestamp": now, "target": _LOG, "error": last})


@dataclass(frozen=True, slots=True)
class _Wish:
    """What is asked for: for how long and how often, in seconds, and of what."""

    duration: int
    interval: int
    often: int
    targets: Sequence[str]

    @classmethod
    def of(cls, context: Context) -> "_Wish":
        """Raises UsageError."""
        targets = context.options.listed("target") or sorted(_TARGETS)
        for target in targets:
            if target not in _TARGETS:
                raise UsageError(f"unknown target {target}: there is {', '.join(sorted(_TARGETS))}")
        return cls(
            _seconds(context, "duration", "2m"),
            max(_SHORTEST, _seconds(context, "interval", "30s")),
            max(_SHORTEST, _seconds(context, "metrics-interval", "10s")),
            targets,
        )

    @property
    def paths(self) -> list[str]:
        """What is read for it."""
        paths = [path for target in self.targets for path in _TARGETS[target].values()]
        return [*paths, _MONITOR] if self.logs else paths

    @property
    def logs(self) -> bool:
        """Whether the log is wanted."""
        return _LOG in self.targets


def run(context: Context) -> int:
    """Look again and again, then write what was found."""
    wish, clock = _Wish.of(context), SystemClock()
    context.needs(*(Request("GET", path) for path in wish.paths), one=False)
    began = clock.now_ns()
    place = _place(context, began)
    findings = _found(context, wish, place, clock)
    logged = [_LOG_FILE] if (place / _LOG_FILE).exists() else []
    index = {
        "version": __version__,
        "vault_address": _address(context),
        "duration_seconds": wish.duration,
        "interval_seconds": wish.interval,
        "metrics_interval_seconds": wish.often,
        "targets": wish.targets,
        "timestamp": rfc3339(began),
        "output": sorted([*(f"{name}.json" for name in findings.files), *logged]),
        "errors": findings.errors,
    }
    return _written(context, place, {"index": index, **findings.files})


def _found(context: Context, wish: _Wish, place: Path, clock: Clock) -> _Findings:
    """What is found in the time that is wished for, or before it is interrupted."""
    findings, client = _Findings(), context.client().preparing()
    until = f"until {rfc3339(clock.now_ns() + wish.duration * NANOSECOND)}"
    log = _Log(client, place / _LOG_FILE, wish.duration)
    with (
        context.progress("Watching") as progress,
        contextlib.closing(log),
        contextlib.suppress(KeyboardInterrupt),
    ):
        if wish.logs:
            log.start()
        for passed, due in _looks(wish):
            progress.show(passed, wish.duration, until)
            findings.look(client, due, clock)
        log.finish()
    findings.errors += log.errors
    return findings


def _looks(wish: _Wish) -> Iterator[tuple[int, list[str]]]:
    """The seconds passed, and the targets that are due, at each look; waits in between."""
    due = dict.fromkeys(wish.targets, 0)
    passed = 0
    while True:
        now = [target for target in wish.targets if due[target] <= passed]
        for target in now:
            due[target] = passed + (wish.often if target in _OFTENER else wish.interval)
        yield passed, now
        following = min(due.values())
        if following > wish.duration:
            return
        time.sleep(following - passed)
        passed = following


def _seconds(context: Context, name: str, default: str) -> int:
    return parse_ns(context.options.text(name, default)) // NANOSECOND


def _address(context: Context) -> str:
    from custody.cli.settings import connection  # noqa: PLC0415 costs start-up time of others

    return connection(context.options, context.environment, with_token=False).place


def _place(context: Context, now_ns: int) -> Path:
    """The new directory that the files go to. Raises UsageError."""
    stamp = rfc3339(now_ns)[:19].replace(":", "-")
    place = Path(context.options.text("output") or f"custody-debug-{stamp}Z")
    archive = place.with_name(place.name + ".tar.gz")
    if place.exists() or archive.exists():
        raise UsageError(f"{place} is there already: name another by -output")
    try:
        place.mkdir(mode=0o700)
    except OSError as error:
        raise UsageError(f"cannot make {place}: {error.strerror}") from error
    return place


def _written(context: Context, place: Path, files: Mapping[str, Any]) -> int:
    """Write the files, and pack them unless told not to."""
    try:
        for name, content in files.items():
            path = place / f"{name}.json"
            path.touch(mode=0o600)
            path.write_text(to_json(content, indent=2) + "\n", encoding="utf-8")
        result = _packed(place) if _packs(context) else place
    except OSError as error:
        raise UsageError(f"cannot write to {place}: {error.strerror}") from error
    if not context.is_table:
        return context.show({"path": str(result), "errors": json.loads(to_json(files["index"]))
                             ["errors"]})  # fmt: skip
    for missed in files["index"]["errors"]:
        context.console.warn(f"Left out {missed['target']}: {missed['error']}")
    return context.done(f"Success! Bundle written to: {result}")


def _packs(context: Context) -> bool:
    return context.options.switch("compress") if context.options.has("compress") else True


def _packed(place: Path) -> Path:
    import tarfile  # noqa: PLC0415 costs start-up time of others

    archive = place.with_name(place.name + ".tar.gz")
    archive.touch(mode=0o600)
    with tarfile.open(archive, "w:gz") as bundle:
        bundle.add(place, arcname=place.name)
    for path in place.iterdir():
        path.unlink()
    place.rmdir()
    return archive


COMMANDS = (
    Command(
        "debug",
        "Collect what a server tells of itself over some time, for whoever helps.",
        (
            Example("For ten minutes, with a look each minute:",
                    "custody debug -duration=10m -interval=1m"),
            Example("Only some of it:", "custody debug -target=metrics -target=host"),
        ),
        run,
        flags=(
            Flag("compress", "Pack the files into an archive (the default).", Kind.SWITCH),
            Flag("duration", "For how long (default 2m).", Kind.DURATION),
            Flag("interval", "Between two looks (default 30s, at least 5s).", Kind.DURATION),
            Flag("metrics-interval", "Between two looks at metrics (default 10s).", Kind.DURATION),
            Flag("output", "The directory that is made for it."),
            Flag("target", "What to ask for (default: everything).", Kind.TEXTS,
                 choices=tuple(_TARGETS)),
        ),
        shared=HTTP + FORMAT,
    ),
)  # fmt: skip
