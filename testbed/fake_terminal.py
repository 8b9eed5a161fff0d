"""A simulated terminal for tests and benchmarks: a pty whose other end replies like kitty or xterm.

It replies to the queries of a program (or not, or late, or with garbage), types keys, records the program's output, and
tracks which images a real terminal would have in memory.
"""

from __future__ import annotations

import base64
import contextlib
import fcntl
import os
import re
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType

QUERY = re.compile(
    rb"(?P<da1>\x1b\[c)|(?P<name>\x1b\[>q)|(?P<cell>\x1b\[16t)|(?P<window>\x1b\[14t)|(?P<screen>\x1b\[18t)"
    rb"|(?P<registers>\x1b\[\?1;1;0S)|\x1b_G(?P<query>[^;\x1b]*a=q[^;\x1b]*);(?P<data>[^\x1b]*)\x1b\\"
    rb"|(?P<sync>\x1b\[\?2026\$p)|(?P<background>\x1b\]11;\?\x1b\\)"
)
TRANSMIT = re.compile(rb"\x1b_G(?=[^;\x1b]*a=[tT])[^;\x1b]*?\bi=(\d+)[^;\x1b]*;([^\x1b]*)\x1b\\")
DELETE = re.compile(rb"\x1b_Ga=d,d=I,q=2,i=(\d+)\x1b\\")
SIXEL = re.compile(rb"\x1bP[0-9;]*q[^\x1b]*\x1b\\")
ESCAPES = re.compile(
    rb"\x1b(?:\[[0-?]*[ -/]*[@-~]|[P_\]][^\x1b\x07]*(?:\x1b\\|\x07)|(?![\[P_\]])[ -/]*[0-~])"
)
PLACEHOLDER = "\U0010eeee".encode()


class FakeTerminal:
    """A program on a pty. A context manager, which kills the program at the end."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        kind: str = "kitty",  # kitty, sixel, plain, silent, garbage
        columns: int = 120,
        rows: int = 36,
        cell: tuple[int, int] = (8, 17),
        environ: Mapping[str, str] | None = None,
        shell: str = "",  # redirections: the command becomes "$@" of `sh -c 'exec "$@" ...'`
        reply_after: float = 0.0,
        type_first: bytes = b"",
    ) -> None:
        self.kind = kind
        self.columns, self.rows, self.cell = columns, rows, cell
        self.reply_after = reply_after
        self.output = b""  # the whole output of the program
        self.images: set[int] = set()  # ids of the images in the terminal's memory
        self.sent = 0  # number of images that were transmitted
        self._read_to = 0
        self._late: list[tuple[float, bytes]] = []
        self.master, slave = os.openpty()
        self.resize(columns, rows)
        if type_first:
            os.write(self.master, type_first)
        if shell:
            command = ["/bin/sh", "-c", f'exec "$@" {shell}', "sh", *command]
        self.process = subprocess.Popen(
            command,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
            env={"TERM": "xterm-256color", "LANG": "C.UTF-8", **(os.environ if environ is None else environ)},
        )
        self._slave: int | None = slave

    def __enter__(self) -> FakeTerminal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.hang_up()

    def hang_up(self) -> None:
        """Close the window."""
        for end in (self.master, self._slave):
            if end is not None:
                with contextlib.suppress(OSError):
                    os.close(end)
        self._slave = None

    def resize(self, columns: int, rows: int) -> None:
        """Change the size; the kernel sends SIGWINCH to the program."""
        self.columns, self.rows = columns, rows
        size = struct.pack("HHHH", rows, columns, columns * self.cell[0], rows * self.cell[1])
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, size)

    def type(self, keys: str | bytes) -> None:
        """Type keys."""
        os.write(self.master, keys.encode() if isinstance(keys, str) else keys)

    def signal(self, number: int) -> None:
        """Send a signal to the program."""
        os.kill(self.process.pid, number)

    def pump(self, seconds: float) -> None:
        """Read output and reply to queries for `seconds`, or until the program has exited."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            while self._late and self._late[0][0] <= time.monotonic():
                os.write(self.master, self._late.pop(0)[1])
            if select.select([self.master], [], [], min(left, 0.02))[0]:
                try:
                    part = os.read(self.master, 65536)
                except OSError:
                    return
                self.output += part
                self._account()
            elif self.process.poll() is not None:
                return

    def until(self, text: str | bytes, seconds: float = 30.0, *, since: int = 0) -> None:
        """Wait until the output without escape sequences contains `text`, or fail."""
        wanted = text.encode() if isinstance(text, str) else text
        end = time.monotonic() + seconds
        while wanted not in self.text(since):
            assert time.monotonic() < end, (
                f"{wanted!r} was not written; last output: {self.text(since)[-600:]!r}"
            )
            assert self.process.poll() is None, (
                f"the program exited with {self.process.returncode}: {self.output[-800:]!r}"
            )
            self.pump(0.05)

    def wait(self, holds: Callable[[], object], seconds: float = 30.0) -> None:
        """Wait until `holds()` is true, or fail."""
        end = time.monotonic() + seconds
        while not holds():
            assert time.monotonic() < end, (
                f"the condition is still false; last output: {self.text()[-600:]!r}"
            )
            assert self.process.poll() is None, (
                f"the program exited with {self.process.returncode}: {self.output[-800:]!r}"
            )
            self.pump(0.05)

    def until_quiet(self, quiet: float = 0.4, seconds: float = 30.0) -> None:
        """Wait until the program has written nothing for `quiet` seconds, or fail."""
        end = time.monotonic() + seconds
        before = -1
        while before != len(self.output):
            assert time.monotonic() < end
            before = len(self.output)
            self.pump(quiet)

    def ended(self, seconds: float = 10.0) -> int:
        """Wait until the program exits, and return its exit code."""
        end = time.monotonic() + seconds
        while self.process.poll() is None:
            assert time.monotonic() < end, f"the program does not exit; last output: {self.output[-300:]!r}"
            self.pump(0.05)
        self.pump(0.1)
        return self.process.returncode

    def text(self, since: int = 0) -> bytes:
        """Return the output from offset `since` on, without escape sequences."""
        return ESCAPES.sub(b"", self.output[since:])

    def sixels(self, since: int = 0) -> list[bytes]:
        """Return the sixel images in the output from offset `since` on."""
        return SIXEL.findall(self.output[since:])

    def _account(self) -> None:
        """Process the new output: reply to queries and track images. An incomplete sequence is processed later."""
        complete, at = len(self.output), self._read_to
        while (begins := self.output.find(b"\x1b", at)) >= 0:
            sequence = ESCAPES.match(self.output, begins)
            if sequence is None:
                complete = begins
                break
            at = sequence.end()
        part = self.output[self._read_to : complete]
        self._read_to = complete
        for match in QUERY.finditer(part):
            reply = self._reply_to(match)
            if reply:
                self._late.append((time.monotonic() + self.reply_after, reply))
        events = [(m.start(), m) for pattern in (TRANSMIT, DELETE) for m in pattern.finditer(part)]
        for _, match in sorted(events, key=lambda event: event[0]):
            image_id = int(match[1])
            if match.re is TRANSMIT:
                self.images.add(image_id)
                self.sent += 1
                if b"t=t" in match[0]:
                    self._take_file(match[2])
            else:
                self.images.discard(image_id)

    def _reply_to(self, match: re.Match[bytes]) -> bytes:
        width, height = self.cell
        if self.kind == "silent":
            return b""
        if self.kind == "garbage":
            return (
                b"\x1b[?;;c\x1b[4;;t\x1b_Gzzz\x1b\\\x1bP>|\xff\xfe\x1b\\\x1b[?1;9S" if match["da1"] else b""
            )
        if match["da1"]:
            return b"\x1b[?64;1;2;4;22c" if self.kind == "sixel" else b"\x1b[?62;22c"
        if match["name"]:
            name = {"kitty": b"kitty(0.41.1)", "sixel": b"XTerm(379)"}.get(self.kind)
            return b"\x1bP>|%s\x1b\\" % name if name else b""
        if match["cell"]:
            return b"\x1b[6;%d;%dt" % (height, width)
        if match["window"]:
            return b"\x1b[4;%d;%dt" % (self.rows * height, self.columns * width)
        if match["screen"]:
            return b"\x1b[8;%d;%dt" % (self.rows, self.columns)
        if match["registers"]:
            return b"\x1b[?1;0;256S" if self.kind == "sixel" else b""
        if match["sync"]:
            return b"\x1b[?2026;2$y"
        if match["background"]:
            return b"\x1b]11;rgb:%s\x1b\\" % self.background
        if self.kind != "kitty":
            return b""
        readable = b"t=t" not in match["query"] or self._take_file(match["data"])
        image_id = re.search(rb"i=(\d+)", match["query"])
        assert image_id is not None
        return b"\x1b_Gi=%s;%s\x1b\\" % (image_id[1], b"OK" if readable else b"EBADF:no such file")

    def _take_file(self, name: bytes) -> bool:
        """Delete an image file that the program has passed, as kitty does on the same machine. Return whether it could."""
        path = base64.b64decode(name)
        if self.files and os.path.exists(path) and b"tty-graphics-protocol" in path:
            os.unlink(path)
            return True
        return False

    background = b"1414/1616/1b1b"
    files = True  # False: like kitty over ssh, which cannot read the program's files
