"""`custody operator generate-root`: how the one-time password comes in without being seen."""

import base64
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

CLI = Callable[..., tuple[int, str, str]]
TOKEN, OTP = "s.made-by-share-holders", "password-of-the-length."
ENCODED = base64.b64encode(
    bytes(one ^ other for one, other in zip(TOKEN.encode(), OTP.encode(), strict=True))
).decode()


def test_a_password_is_taken_from_a_file_a_pipe_or_a_prompt(cli: CLI, tmp_path: Path) -> None:
    (tmp_path / "otp").write_text(f"{OTP}\n")
    decode = ("operator", "generate-root", f"-decode={ENCODED}")
    for words, stdin in (
        ((*decode, f"-otp=@{tmp_path}/otp"), ""),
        ((*decode, "-otp=-"), f"{OTP}\n"),
        (decode, f"{OTP}\n"),
        (("operator", "generate-root", "-decode=-", "-otp=-"), f"{ENCODED}\n{OTP}\n"),
        ((*decode, f"-otp={OTP}"), ""),
    ):
        assert cli(*words, stdin=stdin) == (0, f"{TOKEN}\n", "")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("-non-interactive",), "One-time password is needed, and -non-interactive forbids"),
        ((), "One-time password is needed: type it"),
        (("-otp=@nowhere",), "cannot read nowhere: No such file or directory"),
        (("-otp=short",), "the password has another length"),
    ],
)
def test_without_a_password_nothing_is_uncovered(
    words: tuple[str, ...], said: str, cli: CLI
) -> None:
    code, out, err = cli("operator", "generate-root", f"-decode={ENCODED}", *words)
    assert (code, out, said in err) == (1, "", True)


def test_a_beginning_sends_what_the_file_holds(cli: CLI, server: Any, tmp_path: Path) -> None:
    (tmp_path / "otp").write_text(OTP)
    server.vault.canned["sys/generate-root/attempt"] = (200, {"nonce": "n", "started": True})
    assert cli("operator", "generate-root", "-init", f"-otp=@{tmp_path}/otp")[0] == 0
    assert server.vault.requests[-1]["body"]["otp"] == OTP
