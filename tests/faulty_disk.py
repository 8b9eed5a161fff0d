"""A disk with faults: a small FUSE file system that shows a folder read-only. Linux, root and /dev/fuse.

`python faulty_disk.py SOURCE MOUNT high_inodes=0|1 KIND=NAME ...`; the faults are `eio_stat`, `eio_read`,
`hang_stat`, `hang_read` and `hang_list`, each for every file or folder of that name. Speaks the protocol of
linux/fuse.h, version 7.31. It prints "ready" once it is mounted; when it ends, what hung returns with an error.
"""

import contextlib
import ctypes
import errno
import os
import stat
import struct
import subprocess
import sys
import threading
import traceback

LOOKUP, FORGET, GETATTR, OPEN, READ, STATFS, RELEASE, INIT = 1, 2, 3, 14, 15, 17, 18, 26
ASYNC_READ = 1  # a process that waits for a read can be killed; sshfs has it too
HANG_SECONDS = 60  # longer than any test waits, but a test that blocks in the kernel must come to its end
PARALLEL_DIROPS = 1 << 18  # without it one lookup that hangs blocks its whole folder
OPENDIR, READDIR, RELEASEDIR, INTERRUPT, BATCH_FORGET = 27, 28, 29, 36, 42


@contextlib.contextmanager
def faulty_disk(source, mount, *, high_inodes=False, **faults):
    """Show `source` at the folder `mount`. Raises OSError where that is not possible."""
    arguments = [f"{kind}={name}" for kind, name in faults.items()]
    server = subprocess.Popen(
        [sys.executable, __file__, source, mount, f"high_inodes={high_inodes:d}", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        if server.stdout.readline() != "ready\n":
            raise OSError(f"no FUSE file system can be mounted here: {server.communicate()[1].strip()}")
        yield server
    finally:
        server.kill()
        server.communicate()
        subprocess.run(["umount", "-l", mount], capture_output=True)


class Disk:
    def __init__(self, source, mount, high_inodes, faults):
        self.faults = faults
        self.high = 1 << 63 if high_inodes else 0
        self.paths, self.nodes = {1: source}, {source: 1}
        self.lock = threading.Lock()
        self.fuse = os.open("/dev/fuse", os.O_RDWR)
        options = f"fd={self.fuse},rootmode=40755,user_id=0,group_id=0,allow_other".encode()
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.mount(b"faulty", os.fsencode(mount), b"fuse.faulty", 1, options):
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), mount)

    def serve(self):
        while True:
            request = os.read(self.fuse, 1 << 20)
            length, operation, unique, node = struct.unpack_from("<IIQQ", request)
            work = (operation, unique, node, request[40:length])
            threading.Thread(target=self.reply, args=work, daemon=True).start()

    def reply(self, operation, unique, node, body):
        if operation in (FORGET, INTERRUPT, BATCH_FORGET):
            return
        try:
            data, code = self.result(operation, self.paths.get(node, ""), body), 0
        except OSError as error:
            data, code = b"", error.errno
        except Exception:  # without a reply the caller would hang
            traceback.print_exc()
            data, code = b"", errno.EIO
        with contextlib.suppress(OSError):
            os.write(self.fuse, struct.pack("<IiQ", 16 + len(data), -code, unique) + data)

    def fault(self, path, *kinds):
        for kind in kinds:
            if self.faults.get(kind) == os.path.basename(path):
                if kind.startswith("hang"):
                    threading.Event().wait(HANG_SECONDS)
                raise OSError(errno.EIO, "")

    def result(self, operation, path, body):
        if operation == INIT:
            return struct.pack(
                "<IIIIHHIIHHI28x", 7, 31, 65536, ASYNC_READ | PARALLEL_DIROPS, 12, 10, 65536, 1, 32, 0, 0
            )
        if operation == LOOKUP:
            path = os.path.join(path, os.fsdecode(body.rstrip(b"\0")))
            attributes = self.attributes(path)
            with self.lock:  # two lookups at once would give two paths one number
                node = self.nodes.setdefault(path, len(self.nodes) + 1)
                self.paths[node] = path
            return struct.pack("<QQQQII", node, 0, 0, 0, 0, 0) + attributes
        if operation == GETATTR:
            return struct.pack("<QII", 0, 0, 0) + self.attributes(path)
        if operation in (OPEN, OPENDIR):
            return struct.pack("<QII", 0, 0, 0)
        if operation in (RELEASE, RELEASEDIR):
            return b""
        if operation == STATFS:
            return struct.pack("<QQQQQIII4x24x", 1000, 500, 500, 1000, 1000, 4096, 255, 4096)
        if operation not in (READ, READDIR):
            raise OSError(errno.ENOSYS, "")
        _, offset, size = struct.unpack_from("<QQI", body)
        if operation == READ:
            self.fault(path, "hang_read", "eio_read")
            with open(path, "rb") as file:
                return os.pread(file.fileno(), size, offset)
        self.fault(path, "hang_list")
        return self.listing(path, offset, size)

    def attributes(self, path):
        self.fault(path, "hang_stat", "eio_stat")
        s = os.lstat(path)
        times = [(int(ns // 10**9), int(ns % 10**9)) for ns in (s.st_atime_ns, s.st_mtime_ns, s.st_ctime_ns)]
        seconds, parts = zip(*times, strict=True)
        inode = self.high + s.st_ino if path != self.paths[1] else 1
        head = struct.pack("<QQQQQQ", inode, s.st_size, s.st_blocks, *[each % 2**64 for each in seconds])
        return head + struct.pack("<IIIIIIIIII", *parts, s.st_mode, s.st_nlink, 0, 0, 0, 4096, 0)

    def listing(self, path, offset, size):
        found = b""
        names = [".", "..", *sorted(os.listdir(path))]
        for number, name in enumerate(names[offset:], offset + 1):
            raw = os.fsencode(name)
            kind = stat.S_IFMT(os.lstat(os.path.join(path, name)).st_mode) >> 12
            if os.path.basename(name) == self.faults.get("eio_stat"):
                kind = 0  # unknown, so that the kernel requests it
            entry = struct.pack("<QQII", number, number, len(raw), kind) + raw
            entry += b"\0" * (-len(entry) % 8)
            if len(found) + len(entry) > size:
                break
            found += entry
        return found


def main():
    source, mount, high, *faults = sys.argv[1:]
    disk = Disk(source, mount, high.endswith("1"), dict(fault.split("=", 1) for fault in faults))
    threading.Thread(target=disk.serve, daemon=True).start()
    print("ready", flush=True)
    threading.Event().wait()


if __name__ == "__main__":
    main()
