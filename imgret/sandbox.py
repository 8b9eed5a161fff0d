"""Restrict this process to reading files, computing and writing to its pipes.

Image decoders parse untrusted files in C. A file that exploits a decoder must not gain anything by it. So a worker
restricts itself before it opens the first file, by up to three mechanisms:

- resource limits (any Unix): bounded address space, no bytes written to files, no core dump;
- Landlock (Linux 5.13+): the file system is read-only; newer versions also forbid TCP and signals to other processes;
- a seccomp filter (Linux on x86_64 and aarch64): only the listed system calls are allowed, so it cannot start programs
  or processes, open sockets, delete or rename files.

Each is applied where the kernel supports it; `restrict` returns the ones in effect, and `imgret doctor` shows them.
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
# Landlock's system calls, same on all architectures
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_READ_FILE, _READ_DIR = 1 << 2, 1 << 3
_READ_EVERYTHING = 1 << 2  # CAP_DAC_READ_SEARCH
# The number of file system rights in each version of Landlock. Version 4 added TCP, version 6 scopes.
_FS_RIGHTS = {1: 13, 2: 14, 3: 15, 4: 15}
_NEWEST_FS_RIGHTS = 16

# Allowed system calls: name, number on x86_64, number on aarch64 (-: does not exist there). Frequent ones first.
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
# System calls that are allowed with certain arguments only.
_CHECKED = """
open 2 -, openat 257 56, clone 56 220, clone3 435 435, fcntl 72 25, ioctl 16 29, prctl 157 167, prlimit64 302 261,
tgkill 234 131
"""
_ARCHITECTURES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}  # column above, AUDIT_ARCH_*

_WRITES = os.O_ACCMODE | os.O_CREAT | os.O_TRUNC
_CLONE_THREAD = 0x10000
_DESCRIPTOR_COMMANDS = (0, 1, 2, 3, 4, 1030)  # F_DUPFD, F_GETFD, F_SETFD, F_GETFL, F_SETFL, F_DUPFD_CLOEXEC
_IOCTL_REQUESTS = (0x5401, 0x5450, 0x5451)  # TCGETS (isatty), FIONCLEX, FIOCLEX
_NAMES = (15, 0x53564D41)  # PR_SET_NAME, PR_SET_VMA: name threads and memory areas

# linux/bpf_common.h: load a word of struct seccomp_data, compare, return
_LOAD, _EQUALS, _HAS_BITS, _RETURN = 0x20, 0x15, 0x45, 0x06
_ALLOW, _NO_PERMISSION, _NO_SUCH_CALL = 0x7FFF0000, 0x00050000 | 1, 0x00050000 | 38


def limit_resources(memory_mb: int) -> None:
    """Limit address space, core dumps and file writes of this process, and make it exit with its parent.

    Call it before the decoders are loaded.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        # Keep the user's own limits where they are lower.
        limits = [each for each in resource.getrlimit(resource.RLIMIT_AS) if each != resource.RLIM_INFINITY]
        wanted = min([memory_mb << 20, *limits])
        resource.setrlimit(resource.RLIMIT_AS, (wanted, wanted))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))  # does not affect pipes
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent handles ctrl-C


def restrict() -> tuple[str, ...]:
    """Apply Landlock and seccomp permanently, and return the names of the mechanisms that took effect.

    Call it while the process has one thread: Landlock restricts only the calling thread and the threads it starts.
    """
    if sys.platform != "linux":
        return ()
    libc = ctypes.CDLL(None, use_errno=True)
    _drop_capabilities(libc)
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0):  # Landlock and seccomp both require it
        return ()
    version = _landlock(libc)
    found = (f"Landlock {version}",) if version else ()
    return (*found, "seccomp") if _seccomp(libc) else found


def _drop_capabilities(libc: ctypes.CDLL) -> None:
    """Drop all capabilities except CAP_DAC_READ_SEARCH: others could bypass Landlock."""
    header = struct.pack("=Ii", 0x20080522, 0)  # version 3, this thread
    sets = ctypes.create_string_buffer(24)  # effective, permitted, inheritable: capabilities 0-31, then 32-63
    if libc.capget(header, sets) == 0:
        effective, permitted, *_ = struct.unpack("=6I", sets.raw)
        libc.capset(
            header, struct.pack("=6I", effective & _READ_EVERYTHING, permitted & _READ_EVERYTHING, *[0] * 4)
        )


def _landlock(libc: ctypes.CDLL) -> int:
    """Make the file system read-only for this thread. Return the kernel's Landlock version; 0 if not available."""
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
    """Install a seccomp filter that allows only the listed system calls. Return whether it took effect."""
    # 32-bit programs use other system call numbers.
    if platform.machine() not in _ARCHITECTURES or sys.maxsize < 1 << 32:
        return False
    program = _filter(platform.machine(), os.getpid())
    code = ctypes.create_string_buffer(program, len(program))
    # struct sock_fprog: the number of instructions, padding, their address
    header = struct.pack("@HP", len(program) // 8, ctypes.addressof(code))
    mode_filter = 2
    refused: int = libc.prctl(22, mode_filter, header, 0, 0)  # PR_SET_SECCOMP
    return refused == 0


def _filter(machine: str, pid: int) -> bytes:
    """Return the filter program: packed struct sock_filter (code u16, jump if true u8, if false u8, operand u32)."""
    column, architecture = _ARCHITECTURES[machine]
    plain, checked = _numbers(_CALLS, column), _numbers(_CHECKED, column)
    # name -> (number of the argument, how it is compared, values)
    conditions = {
        "open": (1, "no bits", (_WRITES,)),
        "openat": (2, "no bits", (_WRITES,)),
        "clone": (0, "bits", (_CLONE_THREAD,)),  # a thread, not a process
        "fcntl": (1, "one of", _DESCRIPTOR_COMMANDS),
        "ioctl": (1, "one of", _IOCTL_REQUESTS),
        "prctl": (0, "one of", _NAMES),
        "prlimit64": (0, "one of", (0, pid)),
        "tgkill": (0, "one of", (pid,)),  # abort() signals itself
    }
    # The flags of clone3 are in memory, where a filter cannot read them. ENOSYS makes libc fall back to clone.
    special = [(_EQUALS, 0, 1, checked["clone3"]), (_RETURN, 0, 0, _NO_SUCH_CALL)]
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
    # Each match jumps to the last instruction of `listed`, which allows the call; without a match it is skipped.
    compared = [(_EQUALS, len(plain) - at, 0, number) for at, number in enumerate(plain.values())]
    listed = [*compared, (0x05, 0, 0, 1), (_RETURN, 0, 0, _ALLOW)]
    program = [
        (_LOAD, 0, 0, 4),
        (_EQUALS, 1, 0, architecture),
        (_RETURN, 0, 0, _NO_PERMISSION),  # another calling convention has other system call numbers
        (_LOAD, 0, 0, 0),
        *listed,
        *special,
        (_RETURN, 0, 0, _NO_PERMISSION),
    ]
    return b"".join(struct.pack("=HBBI", *line) for line in program)


def _numbers(table: str, column: int) -> dict[str, int]:
    rows = (entry.split() for entry in table.split(","))
    return {name: int(numbers[column]) for name, *numbers in rows if numbers[column] != "-"}
