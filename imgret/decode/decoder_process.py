"""The decoder process: reads paths from stdin, writes facts and upright RGB pixels to stdout.

`DecodePool` starts it as `python -m imgret.decode.decoder_process MEGABYTES MEGAPIXELS SIDE`. Image decoders are large C
libraries that parse untrusted files. Here a crash, a hang or a decompression bomb fails one file only. The process is
restricted by `sandbox` and exits with its parent.

Protocol, over pipes, integers little-endian. Request: its length (u32), a `DecodeRequest` as MessagePack. Reply: the lengths
of the `WorkerReply` and of the pixels (u32, u32), the `WorkerReply` as MessagePack, the pixels row by row. The first reply is
sent before any request and has no facts: it reports that the process is ready and which sandbox mechanisms are in effect.
"""

from __future__ import annotations

import os
import struct
import sys
import warnings

import msgspec
from blake3 import blake3
from msgspec import Struct

from imgret import sandbox
from imgret.decode.decode_request import DecodeRequest
from imgret.errors import FileChanged, PhotoError
from imgret.inputs import encodable
from imgret.photo import Facts, Metadata

LENGTH = struct.Struct("<I")
LENGTHS = struct.Struct("<II")


class WorkerReply(Struct, frozen=True):
    """The result for one file: its facts and the size and hash of its pixels, or the `problem`."""

    facts: Facts | None = None
    metadata: Metadata | None = None
    width: int = 0
    height: int = 0
    pixel_hash: bytes = b""  # BLAKE3 of width and height (u32 each) and the pixels that follow
    signature: bytes = b""  # `perceptual.look`
    problem: bytes = b""  # as os.fsencode gives it: it names the file, whose name need not be UTF-8
    hint: bytes = b""
    transient: bool = False
    confined: tuple[str, ...] = ()  # in the first reply: the result of `sandbox.restrict`
    changed: bool = False  # the file does not have, or no longer has, the expected hash


def main(arguments: list[str]) -> None:
    """Serve requests until the parent closes the pipe."""
    memory_mb, megapixels, side = map(int, arguments)
    sandbox.limit_resources(memory_mb)
    # Discard what C libraries print: it must reach neither the reply pipe nor the user's terminal.
    replies = os.dup(1)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)

    from imgret.decode.pixels import Limits, read

    warnings.simplefilter("ignore")
    limits = Limits(megapixels=megapixels, memory_mb=memory_mb, side=side)
    encoder, decoder = msgspec.msgpack.Encoder(), msgspec.msgpack.Decoder(DecodeRequest)
    _send(replies, encoder.encode(WorkerReply(confined=sandbox.restrict())), b"")
    os.dup2(nowhere, 2)
    os.close(nowhere)
    while len(head := sys.stdin.buffer.read(LENGTH.size)) == LENGTH.size:
        request = decoder.decode(sys.stdin.buffer.read(LENGTH.unpack(head)[0]))
        pixels = b""
        try:
            image = read(request, limits)
            pixels = image.pixels
            whole = blake3(LENGTHS.pack(image.width, image.height)).update(pixels)
            reply = WorkerReply(
                image.facts,
                image.metadata,
                image.width,
                image.height,
                pixel_hash=whole.digest() if pixels else b"",
                signature=image.signature,
            )
        except PhotoError as error:
            changed = isinstance(error, FileChanged)
            reply = WorkerReply(
                problem=os.fsencode(encodable(str(error))),
                hint=os.fsencode(encodable(error.hint)),
                transient=error.transient,
                changed=changed,
            )
        _send(replies, encoder.encode(reply), pixels)


def _send(fd: int, reply: bytes, pixels: bytes) -> None:
    for part in (LENGTHS.pack(len(reply), len(pixels)) + reply, pixels):
        rest = memoryview(part)
        while rest:
            rest = rest[os.write(fd, rest) :]


if __name__ == "__main__":
    main(sys.argv[1:])
