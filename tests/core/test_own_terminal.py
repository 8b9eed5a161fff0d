"""The controlling terminal is used whatever is redirected, and a missing one is reported."""

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

OWN = """
import os, sys
from imgret.terminal.tty import own_terminal
with own_terminal() as fd:
    assert fd > 2
    assert all(os.isatty(n) for n in range(3))
    os.write(1, b"on the terminal")
try:
    os.write(1, b"into the pipe")
except OSError:
    pass
"""


@pytest.mark.parametrize(
    "redirections", ["> pipe", "> pipe 2> /dev/null", "< /dev/null > pipe", ">&-", "<&- > pipe"]
)
def test_the_terminal_is_used_whatever_is_redirected(redirections: str, tmp_path: Path) -> None:
    child, master = pty.fork()
    if child == 0:  # pragma: no cover
        os.chdir(tmp_path)
        os.execv("/bin/sh", ["sh", "-c", f'"$0" -c "$1" {redirections}', sys.executable, OWN])
    screen = b""
    while True:
        try:
            part = os.read(master, 4096)
        except OSError:  # Linux raises EIO after the last writer has closed
            break
        if not part:
            break
        screen += part
    os.close(master)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0, screen
    assert screen == b"on the terminal"
    if "pipe" in redirections:
        assert (tmp_path / "pipe").read_bytes() == b"into the pipe"


def test_a_missing_terminal_is_reported() -> None:
    code = "from imgret.terminal.tty import own_terminal\nwith own_terminal(): pass"
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, start_new_session=True, check=False
    )
    assert b"NoTerminal: there is no terminal to draw on" in result.stderr
