"""The process that opens strangers' files: one path in, facts and upright RGB pixels out.

Run by `decode.DecodePool` as `python -m imgret.decode.worker MEGABYTES MEGAPIXELS SIDE`. Picture
decoders are large C libraries fed by whoever made the file, so they run here, where a crash, a hang or a
bomb costs one file, in a process that may do next to nothing (`confine`) and that goes with its parent.

Wire, both ways over pipes, integers little-endian. In: length of the path (u32), the BLAKE3 that the file must
have (32 bytes; zeros: any), path. Out: lengths of the answer and
of the pixels (u32, u32), the `Answer` as MessagePack, the pixels row by row. The first answer, before any
path was asked for, has no facts: it says that the process is ready and how it is confined.
"""

from __future__ import annotations

import os
import struct
import sys
import warnings

import msgspec
from blake3 import blake3
from msgspec import Struct

from imgret.decode import sandbox
from imgret.errors import FileChanged, PhotoError
from imgret.photo import Facts

LENGTH = struct.Struct("<I")
LENGTHS = struct.Struct("<II")
ANY_HASH = bytes(32)


class Answer(Struct, frozen=True):
    """What came of one file: facts and the pixels' size and hash, or the reason why not."""

    facts: Facts | None = None
    width: int = 0
    height: int = 0
    pixel_hash: bytes = b""  # BLAKE3 of width and height (u32 each) and the pixels that follow
    look: bytes = b""  # `perceptual.signature`
    problem: str | None = None
    hint: str = ""
    transient: bool = False
    confined: tuple[str, ...] = ()  # of the first answer: what `confine.seal` achieved
    changed: bool = False  # the file is not, or no longer, the one that was asked for


def main(arguments: list[str]) -> None:
    """Answer until the parent closes its end."""
    memory_mb, megapixels, side = map(int, arguments)
    sandbox.limit(memory_mb)
    # What C libraries print goes nowhere: neither into the answers nor onto the user's terminal.
    answers = os.dup(1)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)

    from imgret.decode.pixels import Limits, read

    warnings.simplefilter("ignore")
    limits = Limits(megapixels=megapixels, memory_mb=memory_mb, side=side)
    encoder = msgspec.msgpack.Encoder()
    _send(answers, encoder.encode(Answer(confined=sandbox.seal())), b"")
    os.dup2(nowhere, 2)
    os.close(nowhere)
    while len(head := sys.stdin.buffer.read(LENGTH.size)) == LENGTH.size:
        expected = sys.stdin.buffer.read(len(ANY_HASH))
        path = sys.stdin.buffer.read(LENGTH.unpack(head)[0])
        pixels = b""
        try:
            picture = read(path, limits, None if expected == ANY_HASH else expected)
            pixels = picture.pixels
            digest = blake3(LENGTHS.pack(picture.width, picture.height)).update(pixels).digest()
            answer = Answer(
                picture.facts, picture.width, picture.height, pixel_hash=digest, look=picture.look
            )
        except PhotoError as error:
            changed = isinstance(error, FileChanged)
            answer = Answer(problem=str(error), hint=error.hint, transient=error.transient, changed=changed)
        _send(answers, encoder.encode(answer), pixels)


def _send(fd: int, answer: bytes, pixels: bytes) -> None:
    for part in (LENGTHS.pack(len(answer), len(pixels)) + answer, pixels):
        rest = memoryview(part)
        while rest:
            rest = rest[os.write(fd, rest) :]


if __name__ == "__main__":
    main(sys.argv[1:])
