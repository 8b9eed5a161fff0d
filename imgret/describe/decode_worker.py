"""The process that opens strangers' files: one path in, facts and upright RGB pixels out.

Run by `decode.DecodePool` as `python -m imgret.describe.decode_worker MEGABYTES MEGAPIXELS SIDE`. Picture
decoders are large C libraries fed by whoever made the file, so they run here, where a crash, a hang or a
bomb costs one file: address space bounded, no core, no byte written to any file, gone with its parent.

Wire, both ways over pipes, integers little-endian. In: length (u32), path. Out: lengths of the answer and
of the pixels (u32, u32), the `Answer` as MessagePack, the pixels row by row. The first answer, before any
path was asked for, is an empty one: it says that the process is ready.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import struct
import sys
import warnings

import msgspec
from blake3 import blake3
from msgspec import Struct

from imgret.errors import PhotoError
from imgret.photo import Facts

LENGTH = struct.Struct("<I")
LENGTHS = struct.Struct("<II")


class Answer(Struct, frozen=True):
    """What came of one file: facts and the pixels' size and hash, or the reason why not."""

    facts: Facts | None = None
    width: int = 0
    height: int = 0
    pixel_hash: bytes = b""  # BLAKE3 of width and height (u32 each) and the pixels that follow
    problem: str | None = None
    hint: str = ""
    transient: bool = False


def confine(memory_mb: int) -> None:
    """Give up what a decoder never needs. `prctl` and the address-space limit are Linux's."""
    if sys.platform == "linux":
        pr_set_pdeathsig = 1
        ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)
        _soft, hard = resource.getrlimit(resource.RLIMIT_AS)
        allowed = memory_mb << 20
        if hard != resource.RLIM_INFINITY:  # a limit that is lower already (`ulimit -v`) cannot be raised
            allowed = min(allowed, hard)
        resource.setrlimit(resource.RLIMIT_AS, (allowed, allowed))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))  # pipes are not files: the answer still gets out
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # ctrl-C is for the parent to decide


def main(arguments: list[str]) -> None:
    """Answer until the parent closes its end."""
    memory_mb, megapixels, side = map(int, arguments)
    confine(memory_mb)
    # What C libraries print goes nowhere: neither into the answers nor onto the user's terminal.
    answers = os.dup(1)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)

    from imgret.describe.pixels import Limits, read

    warnings.simplefilter("ignore")
    limits = Limits(megapixels=megapixels, memory_mb=memory_mb, side=side)
    encoder = msgspec.msgpack.Encoder()
    _send(answers, encoder.encode(Answer()), b"")
    os.dup2(nowhere, 2)
    while len(head := sys.stdin.buffer.read(LENGTH.size)) == LENGTH.size:
        path = sys.stdin.buffer.read(LENGTH.unpack(head)[0])
        pixels = b""
        try:
            facts, (width, height), pixels = read(path, limits)
            digest = blake3(LENGTHS.pack(width, height)).update(pixels).digest()
            answer = Answer(facts=facts, width=width, height=height, pixel_hash=digest)
        except PhotoError as error:
            answer = Answer(problem=str(error), hint=error.hint, transient=error.transient)
        _send(answers, encoder.encode(answer), pixels)


def _send(fd: int, answer: bytes, pixels: bytes) -> None:
    for part in (LENGTHS.pack(len(answer), len(pixels)) + answer, pixels):
        rest = memoryview(part)
        while rest:
            rest = rest[os.write(fd, rest) :]


if __name__ == "__main__":
    main(sys.argv[1:])
