"""A decoder process may only read files and reply; a real one tries everything else, and the kernel refuses it."""

from __future__ import annotations

import json
import os
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from imgret import sandbox
from imgret.confined_process import environment
from imgret.decode.decode_request import DecodeRequest
from imgret.decode.decoder_process import LENGTH, LENGTHS, WorkerReply
from imgret.decode.pool import DecodePool, confinement
from imgret.errors import ImgretError

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="confined by the Linux kernel")

# The real worker, except that it runs the path that it receives as Python code, like an exploited decoder would.
TAKEN_OVER = """
import ctypes, os, signal, socket, subprocess, sys, threading
from imgret.decode import pixels
from imgret.decode import decoder_process as decode_worker
from imgret.errors import PhotoError
libc = ctypes.CDLL(None, use_errno=True)
def call(*arguments):
    if libc.syscall(*arguments) < 0:
        raise OSError(ctypes.get_errno(), "refused")
def run(request, limits):
    try:
        raise PhotoError("done: " + repr(eval(request.path)))
    except Exception as error:
        raise PhotoError(f"{type(error).__name__}: {error}" if not isinstance(error, PhotoError) else str(error))
pixels.read = run
decode_worker.main(["1536", "200", "1280"])
"""


class ExploitedWorker:
    """A decoder process that executes the code it receives."""

    def __init__(self) -> None:
        environ = environment(os.environ | {"HF_TOKEN": "hf_secret"})
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-B", "-c", TAKEN_OVER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
            env=environ,
        )
        assert self.process.stdin
        assert self.process.stdout
        self._in: IO[bytes] = self.process.stdin
        self._out: IO[bytes] = self.process.stdout
        self.confined = self._reply().confined

    def __call__(self, code: str) -> str:
        request = msgspec.msgpack.encode(DecodeRequest(code.encode()))
        self._in.write(LENGTH.pack(len(request)) + request)
        self._in.flush()
        return os.fsdecode(self._reply().problem)

    def _reply(self) -> WorkerReply:
        length, pixels = LENGTHS.unpack(self._out.read(LENGTHS.size))
        reply = msgspec.msgpack.decode(self._out.read(length), type=WorkerReply)
        self._out.read(pixels)
        return reply

    def close(self) -> None:
        self._in.close()
        self.process.wait(10)
        self._out.close()


@pytest.fixture(scope="module")
def worker() -> Iterator[ExploitedWorker]:
    started = ExploitedWorker()
    yield started
    started.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "photo.jpg").write_bytes(b"a photo")
    (tmp_path / "empty").mkdir()
    os.mkfifo(tmp_path / "fifo")
    return tmp_path


@pytest.mark.must_run
@pytest.mark.parametrize(
    "code",
    [
        "os.unlink(F + '/photo.jpg')",
        "os.rename(F + '/photo.jpg', F + '/b.jpg')",
        "os.link(F + '/photo.jpg', F + '/b.jpg')",
        "os.symlink('x', F + '/b.jpg')",
        "os.mkdir(F + '/new')",
        "os.rmdir(F + '/empty')",
        "os.mkfifo(F + '/new')",
        "os.chmod(F + '/photo.jpg', 0)",
        "os.utime(F + '/photo.jpg', (1, 1))",
        "os.truncate(F + '/photo.jpg', 0)",
        "os.setxattr(F + '/photo.jpg', 'user.a', b'b')",
        "open(F + '/photo.jpg', 'r+b')",
        "open(F + '/photo.jpg', 'ab')",
        "open(F + '/new', 'wb')",
        "os.open(F + '/photo.jpg', os.O_RDONLY | os.O_TRUNC)",
        "os.open(F + '/new', os.O_RDONLY | os.O_CREAT)",
        "os.open(F, os.O_TMPFILE | os.O_RDWR)",
        "os.open(F + '/fifo', os.O_RDWR | os.O_NONBLOCK)",
    ],
)
def test_decoder_cannot_change_files(worker: ExploitedWorker, folder: Path, code: str) -> None:
    before = sorted(os.listdir(folder)), os.stat(folder / "photo.jpg")
    assert "Operation not permitted" in worker(
        code.replace("F +", f"{str(folder)!r} +").replace("(F,", f"({str(folder)!r},")
    )
    after = sorted(os.listdir(folder)), os.stat(folder / "photo.jpg")
    assert before[0] == after[0]
    assert before[1].st_mtime_ns == after[1].st_mtime_ns
    assert (folder / "photo.jpg").read_bytes() == b"a photo"


@pytest.mark.must_run
@pytest.mark.parametrize(
    "code",
    [
        "os.execv('/bin/true', ['true'])",
        "subprocess.run(['/bin/true'])",
        "os.posix_spawn('/bin/true', ['true'], {})",
        "os.fork()",
        "os.system('true') and call(57)",
        "socket.socket(socket.AF_INET)",
        "socket.socket(socket.AF_INET6)",
        "socket.socket(socket.AF_UNIX)",
        "socket.socketpair()",
        "os.kill(os.getppid(), 0)",
        "os.kill(os.getpid(), 0)",
        "os.setpriority(os.PRIO_PROCESS, 0, 19)",
        "os.memfd_create('a')",
        "__import__('fcntl').fcntl(0, 8, os.getppid())",  # F_SETOWN: which process the kernel signals
        "__import__('fcntl').ioctl(0, 0x5412, b'x')",  # TIOCSTI: type into a terminal
        "__import__('resource').prlimit(os.getppid(), 7, (0, 0))",
        "call(101, 16, os.getppid(), 0, 0)",  # ptrace
        "call(310, os.getppid(), 0, 0, 0, 0, 0)",  # process_vm_readv
        "call(425, 8, bytes(120))",  # io_uring_setup
        "call(321, 0, bytes(120), 72)",  # bpf
        "call(165, b'a', b'/', b'tmpfs', 0, 0)",  # mount
        "call(272, 0x10000000)",  # unshare
        "call(41 | 0x40000000, 2, 1, 0)",  # socket, by its x32 number
    ],
)
def test_decoder_cannot_start_processes_open_sockets_or_send_signals(
    worker: ExploitedWorker, code: str
) -> None:
    if "call(" in code and os.uname().machine != "x86_64":
        pytest.skip("the numbers are those of x86_64; test_the_filter tries every machine's")
    assert "[Errno 1]" in worker(code)


@pytest.mark.must_run
def test_decoder_inherits_no_secrets_of_its_parent(worker: ExploitedWorker) -> None:
    assert "HF_TOKEN" not in worker("dict(os.environ)")
    allowed = {"HOME", "MALLOC_ARENA_MAX", "PYTHONUTF8", "LC_CTYPE", "PYTHONPATH", "LD_LIBRARY_PATH"}
    assert set(json.loads(worker("__import__('json').dumps(list(os.environ))")[7:-1])) <= allowed
    assert worker("sorted(os.readlink(f'/proc/self/fd/{n}').split(':')[0] for n in (0, 1, 2))") == (
        "done: ['/dev/null', '/dev/null', 'pipe']"
    )
    # stdin, stdout, stderr, the reply pipe, and the directory being listed
    assert worker("len(os.listdir('/proc/self/fd'))") == "done: 5"
    for read in ("open(P + '/environ').read()", "open(P + '/mem').read()", "open(P + '/fd/0')"):
        assert "Permission denied" in worker(read.replace("P", "f'/proc/{os.getppid()}'"))


def test_decoder_can_still_read_files_and_load_modules(worker: ExploitedWorker, folder: Path) -> None:
    assert worker(f"open({str(folder / 'photo.jpg')!r}, 'rb').read()") == "done: b'a photo'"
    assert (
        worker("[t := threading.Thread(target=list), t.start(), t.join(5), t.is_alive()][3]") == "done: False"
    )
    assert worker("__import__('wave').__name__") == "done: 'wave'"  # a module that was not loaded yet
    assert worker("len(os.urandom(9) + bytes(bytearray(64 << 20))) >> 20") == "done: 64"


def test_abort_ends_the_process_with_its_signal() -> None:
    started = ExploitedWorker()
    with pytest.raises(struct.error):
        started("os.abort()")
    assert started.process.wait(10) == -signal.SIGABRT
    started._in.close()
    started._out.close()


@pytest.mark.must_run
def test_pool_uses_all_sandbox_mechanisms_of_the_kernel(tmp_path: Path) -> None:
    Image.new("RGB", (9, 9)).save(tmp_path / "a.png")
    with DecodePool(1) as pool:
        pool.submit(os.fsencode(tmp_path / "a.png")).result()
        (pid,) = pool.pids()
        status = Path(f"/proc/{pid}/status").read_text()
        environ = Path(f"/proc/{pid}/environ").read_bytes()
        assert os.getsid(pid) == pid
    assert "NoNewPrivs:\t1" in status
    assert "Seccomp:\t2" in status
    assert {line.split(b"=")[0] for line in environ.rstrip(b"\0").split(b"\0")} <= {
        b"HOME", b"LD_LIBRARY_PATH", b"MALLOC_ARENA_MAX", b"PYTHONPATH", b"PYTHONUTF8",
    }  # fmt: skip
    landlock = sandbox.ctypes.CDLL(None).syscall(444, None, 0, 1)
    expected = (f"Landlock {landlock}",) if landlock > 0 else ()
    assert confinement() == (*expected, "seccomp")


def test_tcp_is_refused_by_landlock_and_by_seccomp(worker: ExploitedWorker) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = server.getsockname()
        assert "Operation not permitted" in worker(f"socket.create_connection({address!r}, 5)")
        server.settimeout(0.2)
        with pytest.raises(TimeoutError):
            server.accept()


def verdict(program: bytes, machine: int, number: int, arguments: tuple[int, ...] = (0,) * 6) -> int:
    """Return the kernel's verdict on one call: an interpreter of the instructions in linux/bpf_common.h that filters use."""
    data = struct.pack("<IIQ6Q", number, machine, 0, *arguments)
    lines = list(struct.iter_unpack("=HBBI", program))
    at = value = 0
    while True:
        code, if_true, if_false, operand = lines[at]
        at += 1
        if code == 0x20:
            value = struct.unpack_from("<I", data, operand)[0]
        elif code == 0x06:
            return operand
        elif code == 0x05:
            at += operand
        else:
            holds = value == operand if code == 0x15 else bool(value & operand)
            at += if_true if holds else if_false


MACHINES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
ALLOW, DENY, UNKNOWN = 0x7FFF0000, 0x00050001, 0x00050026
OPENAT = {"x86_64": 257, "aarch64": 56}
# Numbers from <asm/unistd_64.h> and <asm-generic/unistd.h>.
FORBIDDEN = {
    "x86_64": "41 42 43 49 50 53 56 57 58 59 62 82 83 84 85 86 87 88 90 92 101 133 161 165 263 264 310 317 319 321 322 425",
    "aarch64": "33 34 35 36 37 38 45 53 54 117 129 198 199 200 203 220 221 270 271 276 277 279 280 281 425",
}


@pytest.mark.parametrize("machine", MACHINES)
def test_filter_refuses_by_number_and_by_argument(machine: str) -> None:
    program = sandbox._filter(machine, pid=77)
    audit, openat = MACHINES[machine], OPENAT[machine]
    assert len(program) // 8 < 256  # jump offsets are one byte
    for number in map(int, FORBIDDEN[machine].split()):
        assert verdict(program, audit, number) == DENY, number
    assert verdict(program, audit, 435) == UNKNOWN
    assert verdict(program, audit, openat, (0, 0, os.O_RDONLY | os.O_CLOEXEC, 0, 0, 0)) == ALLOW
    for flag in (os.O_WRONLY, os.O_RDWR, os.O_CREAT, os.O_TRUNC):
        assert verdict(program, audit, openat, (0, 0, flag, 0, 0, 0)) == DENY
    other = MACHINES["aarch64" if machine == "x86_64" else "x86_64"]
    assert verdict(program, other, openat) == DENY


@given(
    machine=st.sampled_from(sorted(MACHINES)), number=st.integers(0, 600), argument=st.integers(0, 2**64 - 1)
)
def test_filter_allows_only_listed_calls(machine: str, number: int, argument: int) -> None:
    program = sandbox._filter(machine, pid=77)
    found = verdict(program, MACHINES[machine], number, (argument,) * 6)
    column = sandbox._ARCHITECTURES[machine][0]
    if number in sandbox._numbers(sandbox._CALLS, column).values():
        assert found == ALLOW
    elif number not in sandbox._numbers(sandbox._CHECKED, column).values():
        assert found == DENY


def test_a_lower_user_limit_is_kept(tmp_path: Path) -> None:
    """`ulimit -v` below what the configuration gives a decoder."""
    Image.new("RGB", (9, 9)).save(tmp_path / "a.png")
    program = (
        "import sys\nfrom imgret.decode.pool import DecodePool\n"
        f"print(DecodePool(1, memory_mb=4096).submit({os.fsencode(tmp_path / 'a.png')!r}).result().facts.width)"
    )
    limited = 'ulimit -v 1500000; exec "$@"'
    command = ["sh", "-c", limited, "sh", sys.executable, "-c", program]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (ran.stdout, ran.returncode) == ("9\n", 0), ran.stderr


def test_a_decoder_that_cannot_start_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    with DecodePool(1, memory_mb=16) as pool:
        error = pool.submit(b"/a.png").exception()
    assert isinstance(error, ImgretError)
    assert "decoder process does not start" in str(error)
    assert "decode_memory_mb" in error.hint


@pytest.mark.parametrize(
    "exhaust",
    [
        "resource.setrlimit(resource.RLIMIT_NOFILE, (len(os.listdir('/proc/self/fd')), 4096))",
        # too little address space for another thread's stack
        "resource.setrlimit(resource.RLIMIT_AS, (int(open('/proc/self/statm').read().split()[0]) * 4096 + (1 << 20),) * 2)",
    ],
)
def test_exhausted_processes_or_threads_are_reported(exhaust: str) -> None:
    program = f"""
import os, resource
from imgret.decode import pool as decode
from imgret.errors import ImgretError, PhotoError
pool = decode.DecodePool(1)
{exhaust}
try:
    pool.submit(b"/a.png").result(30)
except ImgretError as error:
    assert not isinstance(error, PhotoError)
    print(error, error.hint)
"""
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert "no decoder process can be started" in ran.stdout, ran.stderr
    assert "ulimit" in ran.stdout
