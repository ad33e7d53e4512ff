"""Log lines: one each, whatever is logged, and never the text of an exception."""

import json
import subprocess
import sys

import pytest

_SCENE = """
import asyncio, logging, threading
from custody.base import log
log.configure("worker", "info", "FORM")
logger = logging.getLogger("x")
SCENE
"""
_FAILURES = {
    "uncaught": "raise ValueError('planted')",
    "logged": """
try:
    {}['planted']
except KeyError:
    logger.exception("it failed")
""",
    "in a thread": """
def fail(): raise ValueError('planted')
one = threading.Thread(target=fail); one.start(); one.join()
""",
    "in a callback": """
async def main():
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(log.on_loop_error)
    future = loop.create_future()
    future.set_exception(ValueError('planted'))
    del future
    await asyncio.sleep(0)
asyncio.run(main())
""",
    "in a finaliser": """
class One:
    def __del__(self): raise ValueError('planted')
One()
""",
}


def _lines(scene: str, form: str = "standard") -> list[str]:
    program = _SCENE.replace("SCENE", scene).replace("FORM", form)
    done = subprocess.run(  # noqa: S603 - our own interpreter
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=30
    )
    assert done.stdout == ""
    return done.stderr.splitlines()


@pytest.mark.parametrize("scene", _FAILURES.values(), ids=_FAILURES.keys())
def test_an_exception_is_one_line_that_names_type_and_place_but_not_its_text(scene: str) -> None:
    (line,) = _lines(scene)
    assert "planted" not in line
    assert "Error at " in line


def test_what_is_logged_cannot_begin_a_line_of_its_own() -> None:
    (line,) = _lines(r"logger.warning('one\n2026 [ERROR] forged')")
    assert r"one\n2026 [ERROR] forged" in line
    assert " [WARNING] worker(" in line


_MISWRITTEN = "logger.warning('%d attempts', 'planted')"


@pytest.mark.parametrize("form", ["standard", "json"])
def test_a_line_that_cannot_be_made_is_one_that_says_where_and_not_of_what(form: str) -> None:
    (line,) = _lines(_MISWRITTEN, form)
    assert "planted" not in line
    assert "attempts" not in line
    assert "a line of <string>:6 cannot be written: TypeError" in line


def test_a_handler_of_others_shows_no_arguments_either() -> None:
    scene = f"logging.getLogger().addHandler(logging.StreamHandler())\n{_MISWRITTEN}"
    (line,) = _lines(scene)
    assert "planted" not in line


_COUNTED = f"""
import os, sys
lost = []
log.count_lost(lambda: lost.append(1))
logger.info("written")
{_MISWRITTEN}
keep, pipe = os.dup(2), os.pipe()
os.dup2(pipe[1], 2); os.close(pipe[0]); os.close(pipe[1])
logger.info("nobody reads this")
os.dup2(keep, 2)
sys.stderr.close()
logger.info("nor this")
os.write(2, f"lost {{len(lost)}}".encode())
os._exit(0)
"""


def test_each_line_that_is_lost_is_counted_and_who_logs_does_not_notice() -> None:
    assert _lines(_COUNTED)[-1] == "lost 3"


def test_the_level_is_kept() -> None:
    assert _lines("logger.debug('quiet')") == []


_LEVELS_CHANGE = """
import sys
def meanwhile(frame, event, arg):  # what another thread may do between any two steps
    if frame.f_code is not log.set_levels.__code__:
        return None
    logging.getLogger("custody.core.x").info("a line at %s", event)
    return meanwhile
sys.settrace(meanwhile)
log.set_levels("error", {"core": "info"})
sys.settrace(None)
"""


def test_a_line_that_is_logged_while_levels_change_is_not_lost() -> None:
    lines = _lines(_LEVELS_CHANGE)
    assert len(lines) > 4
    assert all(": a line at " in line for line in lines)


def test_json_lines_parse_and_carry_role_and_level() -> None:
    (line,) = _lines("logger.error('a %s', 'message')", "json")
    read = json.loads(line)
    assert (read["@module"], read["@level"], read["@message"]) == ("worker", "error", "a message")
    assert read["@timestamp"].endswith("Z")
