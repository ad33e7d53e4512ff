"""Where the token of a login is kept: a file of the user's own, or a program of the user's choice.

The program is Vault's kind of token helper: it is called with `get` (prints the token), `store`
(reads it) or `erase`. TOKEN_HELPER names it, or `token_helper` in Vault's file ~/.vault.
"""

import subprocess
from pathlib import Path

from custody.base.secret import Secret
from custody.cli import token_file
from custody.cli.environment import Environment
from custody.cli.errors import UsageError

_PATIENCE = 60.0  # seconds; a helper may have to ask its user


def read(environment: Environment) -> Secret[str] | None:
    """The token that is kept, None where there is none. Raises UsageError."""
    helper = helper_of(environment)
    if helper is None:
        return token_file.read(environment.token_file)
    text = _call(helper, "get").strip()
    return Secret(text) if text else None


def store(environment: Environment, token: Secret[str]) -> None:
    """Keep `token` in place of the one before. Raises UsageError."""
    helper = helper_of(environment)
    if helper is None:
        token_file.store(environment.token_file, token)
    else:
        _call(helper, "store", token)


def erase(environment: Environment) -> None:
    """Keep none. Raises UsageError."""
    helper = helper_of(environment)
    if helper is None:
        token_file.erase(environment.token_file)
    else:
        _call(helper, "erase")


def helper_of(environment: Environment) -> Path | None:
    """The program that keeps the token, None for the file. Raises UsageError."""
    text = environment.get("TOKEN_HELPER") or _configured(environment)
    if not text:
        return None
    helper = Path(text)
    if not helper.is_absolute():
        raise UsageError(f"the token helper {text} must be written with its whole path")
    return helper


def _configured(environment: Environment) -> str:
    """What ~/.vault (or CONFIG_PATH) says. Raises UsageError for a file that cannot be read."""
    home = environment.variables.get("HOME", "")
    place = environment.get("CONFIG_PATH") or (f"{home}/.vault" if home else "")
    path = Path(place)
    if not place or not path.is_file():
        return ""
    from custody.base.hcl import HCLError, parse  # noqa: PLC0415 most users have no such file

    try:
        item = parse(path.read_text(encoding="utf-8")).get("token_helper")
    except (OSError, UnicodeDecodeError, HCLError) as error:
        raise UsageError(f"cannot read the settings in {path}") from error
    return item.value if item is not None and isinstance(item.value, str) else ""


def _call(helper: Path, verb: str, token: Secret[str] | None = None) -> str:
    """Run the helper; what it printed. Its own messages go to the user's terminal."""
    given = b"" if token is None else token.reveal().encode()
    try:
        done = subprocess.run(  # noqa: S603 the user's own program, no shell
            [helper, verb], input=given, stdout=subprocess.PIPE, timeout=_PATIENCE, check=False
        )
    except OSError as error:
        raise UsageError(f"cannot run the token helper {helper}: {error.strerror}") from error
    except subprocess.TimeoutExpired:
        raise UsageError(f"the token helper {helper} did not end in time") from None
    if done.returncode != 0:
        raise UsageError(f"the token helper {helper} ended with {done.returncode} for {verb}")
    try:
        return done.stdout.decode()
    except UnicodeDecodeError:
        raise UsageError(f"the token helper {helper} printed what is not text") from None
