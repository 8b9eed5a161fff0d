"""What a decoder process may do: read files, compute, and answer over its pipes. Nothing else.

Image decoders parse untrusted files in C. A file that takes a decoder over must gain nothing, so a worker limits
itself before it opens the first one, by up to three means:

- resource limits (any Unix): bounded address space, no bytes written to files, no core dump;
- Landlock (Linux 5.13+): the file system is read-only; by its version also no TCP, no signals to other processes;
- a seccomp filter (Linux on x86_64 and aarch64): only the listed system calls, so no program, no process, no socket,
  no deletion, no renaming.

Each is applied where the kernel offers it; `seal` returns which were, and `imgret doctor` shows them.
Sources: landlock(7), seccomp(2), the kernel's syscall tables.
"""

from __future__ import annotations

import ctypes
import os
import platform
import resource
import signal
import struct
import sys

_PR_SET_PDEATHSIG, _PR_SET_NO_NEW_PRIVS = 1, 38
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446  # Landlock's calls, on every architecture
_READ_FILE, _READ_DIR = 1 << 2, 1 << 3
_READ_EVERYTHING = 1 << 2  # CAP_DAC_READ_SEARCH
# How many rights of the file system each version of Landlock knows; from 4 on also TCP, from 6 on also scopes.
_FS_RIGHTS = {1: 13, 2: 14, 3: 15, 4: 15}
_NEWEST_FS_RIGHTS = 16

# System calls by name, with their numbers on x86_64 and aarch64 (-: it has none). Frequent ones come first.
_CALLS = """
read 0 63, write 1 64, mmap 9 222, munmap 11 215, futex 202 98, close 3 57, fstat 5 80, lseek 8 62, brk 12 214,
madvise 28 233, mprotect 10 226, mremap 25 216, pread64 17 67, readv 19 65, writev 20 66, preadv 295 69,
stat 4 -, lstat 6 -, newfstatat 262 79, statx 332 291, statfs 137 43, fstatfs 138 44, access 21 -, faccessat 269 48,
faccessat2 439 439, readlink 89 -, readlinkat 267 78, getcwd 79 17, getdents 78 -, getdents64 217 61, dup 32 23, dup2 33 -, dup3 292 24,
fadvise64 221 223, mincore 27 232, rt_sigaction 13 134, rt_sigprocmask 14 135, rt_sigreturn 15 139,
sigaltstack 131 132, restart_syscall 219 128, poll 7 -, ppoll 271 73, select 23 -, pselect6 270 72,
sched_yield 24 124, sched_getaffinity 204 123, getcpu 309 168, nanosleep 35 101, clock_gettime 228 113,
clock_getres 229 114, clock_nanosleep 230 115, gettimeofday 96 169, time 201 -, times 100 153, getpid 39 172,
getppid 110 173, gettid 186 178, getuid 102 174, geteuid 107 175, getgid 104 176, getegid 108 177, uname 63 160,
sysinfo 99 179, getrusage 98 165, getrlimit 97 163, getrandom 318 278, arch_prctl 158 -, set_tid_address 218 96,
set_robust_list 273 99, get_robust_list 274 100, membarrier 324 283, rseq 334 293, exit 60 93, exit_group 231 94
"""
# Those that are allowed for some arguments only.
_CHECKED = """
open 2 -, openat 257 56, clone 56 220, clone3 435 435, fcntl 72 25, ioctl 16 29, prctl 157 167, prlimit64 302 261,
tgkill 234 131
"""
_ARCHITECTURES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}  # column above, AUDIT_ARCH_*

_WRITES = os.O_ACCMODE | os.O_CREAT | os.O_TRUNC
_CLONE_THREAD = 0x10000
_DESCRIPTOR_COMMANDS = (0, 1, 2, 3, 4, 1030)  # F_DUPFD, F_GETFD, F_SETFD, F_GETFL, F_SETFL, F_DUPFD_CLOEXEC
_TERMINAL_QUESTIONS = (0x5401, 0x5450, 0x5451)  # TCGETS (isatty), FIONCLEX, FIOCLEX
_NAMES = (15, 0x53564D41)  # PR_SET_NAME, PR_SET_VMA: what threads and memory are called

# linux/bpf_common.h: load a word of the call, compare, return
_LOAD, _EQUALS, _HAS_BITS, _RETURN = 0x20, 0x15, 0x45, 0x06
_ALLOW, _NO_PERMISSION, _NO_SUCH_CALL = 0x7FFF0000, 0x00050000 | 1, 0x00050000 | 38


def limit(memory_mb: int) -> None:
    """Bound what this process can use up, and have it end with its parent; before the decoders are loaded."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        # Where the user's own limits are lower, they stand.
        limits = [each for each in resource.getrlimit(resource.RLIMIT_AS) if each != resource.RLIM_INFINITY]
        wanted = min([memory_mb << 20, *limits])
        resource.setrlimit(resource.RLIMIT_AS, (wanted, wanted))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))  # pipes are not files: the answer still gets out
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # ctrl-C is for the parent to decide


def seal() -> tuple[str, ...]:
    """Give up everything but reading files, for good -> the means that took effect, by name.

    Call it while there is one thread: Landlock binds the calling thread and those it starts.
    """
    if sys.platform != "linux":
        return ()
    libc = ctypes.CDLL(None, use_errno=True)
    _drop_capabilities(libc)
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0):  # both refuse without it
        return ()
    version = _landlock(libc)
    found = (f"Landlock {version}",) if version else ()
    return (*found, "seccomp") if _seccomp(libc) else found


def _drop_capabilities(libc: ctypes.CDLL) -> None:
    """Of the superuser's rights keep at most the one to read every file: others see through Landlock."""
    header = struct.pack("=Ii", 0x20080522, 0)  # version 3, this thread
    sets = ctypes.create_string_buffer(24)  # effective, permitted, inheritable: capabilities 0-31, then 32-63
    if libc.capget(header, sets) == 0:
        effective, permitted, *_ = struct.unpack("=6I", sets.raw)
        libc.capset(
            header, struct.pack("=6I", effective & _READ_EVERYTHING, permitted & _READ_EVERYTHING, *[0] * 4)
        )


def _landlock(libc: ctypes.CDLL) -> int:
    """Make the file system read-only for this thread -> the kernel's version of Landlock; 0 where it has none."""
    version: int = libc.syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), 1)
    if version < 1:
        return 0
    rights = (1 << _FS_RIGHTS.get(version, _NEWEST_FS_RIGHTS)) - 1
    tcp = 3 if version >= 4 else 0  # bind, connect
    scopes = 3 if version >= 6 else 0  # abstract sockets and signals of processes outside
    attributes = struct.pack("=QQQ", rights, tcp, scopes)[: 24 if scopes else 16 if tcp else 8]
    ruleset = libc.syscall(_CREATE_RULESET, attributes, ctypes.c_size_t(len(attributes)), 0)
    if ruleset < 0:
        return 0
    root = os.open("/", os.O_PATH | os.O_CLOEXEC)
    try:
        beneath = struct.pack("=Qi", _READ_FILE | _READ_DIR, root)
        if libc.syscall(_ADD_RULE, ruleset, 1, beneath, 0) or libc.syscall(_RESTRICT_SELF, ruleset, 0):
            return 0
    finally:
        os.close(root)
        os.close(ruleset)
    return version


def _seccomp(libc: ctypes.CDLL) -> bool:
    """Have the kernel refuse all other system calls -> whether it does."""
    if (
        platform.machine() not in _ARCHITECTURES or sys.maxsize < 1 << 32
    ):  # 32-bit programs have other numbers
        return False
    program = _filter(platform.machine(), os.getpid())
    code = ctypes.create_string_buffer(program, len(program))
    # struct sock_fprog: the number of instructions, padding, their address
    header = struct.pack("@HP", len(program) // 8, ctypes.addressof(code))
    mode_filter = 2
    refused: int = libc.prctl(22, mode_filter, header, 0, 0)  # PR_SET_SECCOMP
    return refused == 0


def _filter(machine: str, pid: int) -> bytes:
    """The program for the kernel: struct sock_filter (code u16, jump if true u8, if false u8, operand u32), packed."""
    column, architecture = _ARCHITECTURES[machine]
    plain, checked = _numbers(_CALLS, column), _numbers(_CHECKED, column)
    # name -> which argument, how it is compared, with what. No values: refused as unknown, so that libc falls back.
    conditions = {
        "open": (1, "no bits", (_WRITES,)),
        "openat": (2, "no bits", (_WRITES,)),
        "clone": (0, "bits", (_CLONE_THREAD,)),  # a thread, not a process
        "fcntl": (1, "one of", _DESCRIPTOR_COMMANDS),
        "ioctl": (1, "one of", _TERMINAL_QUESTIONS),
        "prctl": (0, "one of", _NAMES),
        "prlimit64": (0, "one of", (0, pid)),
        "tgkill": (0, "one of", (pid,)),  # abort() signals itself
    }
    special = [(_EQUALS, 0, 1, checked["clone3"]), (_RETURN, 0, 0, _NO_SUCH_CALL)]  # its flags lie in memory
    for name, (argument, test, values) in conditions.items():
        if name not in checked:
            continue
        body = [(_LOAD, 0, 0, 16 + 8 * argument)]  # the low word, on these little-endian machines
        if test == "one of":
            left = len(values)
            body += [(_EQUALS, left - at, 0, value) for at, value in enumerate(values)]
            body += [(_RETURN, 0, 0, _NO_PERMISSION), (_RETURN, 0, 0, _ALLOW)]
        else:
            refused_if = (1, 0) if test == "no bits" else (0, 1)
            body += [
                (_HAS_BITS, *refused_if, values[0]),
                (_RETURN, 0, 0, _ALLOW),
                (_RETURN, 0, 0, _NO_PERMISSION),
            ]
        special += [(_EQUALS, 0, len(body), checked[name]), *body]
    compared = [
        (_EQUALS, len(plain) - at, 0, number) for at, number in enumerate(plain.values())
    ]  # to the last line of the list
    listed = [*compared, (0x05, 0, 0, 1), (_RETURN, 0, 0, _ALLOW)]  # none of them: jump over the permission
    program = [
        (_LOAD, 0, 0, 4),
        (_EQUALS, 1, 0, architecture),
        (_RETURN, 0, 0, _NO_PERMISSION),  # calls by another convention have other numbers
        (_LOAD, 0, 0, 0),
        *listed,
        *special,
        (_RETURN, 0, 0, _NO_PERMISSION),
    ]
    return b"".join(struct.pack("=HBBI", *line) for line in program)


def _numbers(table: str, column: int) -> dict[str, int]:
    rows = (entry.split() for entry in table.split(","))
    return {name: int(numbers[column]) for name, *numbers in rows if numbers[column] != "-"}
