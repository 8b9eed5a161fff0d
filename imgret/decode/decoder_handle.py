"""One decoder process as its parent sees it: started with limits, given a path, its reply validated, killed."""

from __future__ import annotations

import os
import time

import msgspec
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from imgret.confined_process import ConfinedProcess, ProcessLost
from imgret.decode.decode_request import DecodeRequest
from imgret.decode.decoder_process import LENGTH, LENGTHS, WorkerReply
from imgret.decode.perceptual import LOOK_BYTES
from imgret.errors import FileChanged, ImgretError, PhotoError
from imgret.photo import Facts, Metadata

_HASH_BYTES = 32
_LONGEST_REPLY = 4 << 20  # bytes; metadata has at most 220,000 characters
# Made before the threads of the pool begin: if two prepare a type that has others inside at once, msgspec 0.22 crashes.
_REPLY = msgspec.msgpack.Decoder(WorkerReply)


class Decoded(Struct, frozen=True, eq=False):
    """A decoded photo, ready for the models. If only the metadata was requested, there are no pixels."""

    facts: Facts
    pixels: NDArray[np.uint8]  # (height, width, 3), RGB, upright, long side at most the pool's `side`
    # 32-byte BLAKE3 of width and height (u32, little-endian) and the pixels, row by row; empty without pixels
    pixel_hash: bytes
    signature: bytes  # `perceptual.look`; empty without pixels
    seconds: float = 0.0  # that decoding took
    metadata: Metadata = Metadata()


def cannot_start(reason: str) -> ImgretError:
    """Return the error for a decoder process that the system does not allow to start."""
    return ImgretError(
        f"no decoder process can be started: {reason}",
        "Raise the limits of this user (ulimit -u, -n, -v), or lower decode_workers in the configuration.",
    )


class Worker:
    """One decoder process."""

    def __init__(self, memory_mb: int, max_megapixels: int, side: int) -> None:
        self._side = side
        try:
            self._process = ConfinedProcess(
                "imgret.decode.decoder_process", [str(memory_mb), str(max_megapixels), str(side)]
            )
        except OSError as error:
            raise cannot_start(error.strerror or str(error)) from None
        except MemoryError:
            raise cannot_start("no memory is left") from None
        self.pid = self._process.pid
        self.kill, self.exit_code = self._process.kill, self._process.exit_code
        try:
            self.confined = self._reply()[0].confined
        except ProcessLost:
            raise ImgretError(
                f"the decoder process does not start: {self._process.start_error()}",
                "Raise decode_memory_mb in the configuration, or reinstall imgret.",
            ) from None
        self._process.started()

    def decode(self, request: DecodeRequest, seconds: float) -> Decoded | PhotoError:
        """Return the decoded photo, or why it failed. Raises ProcessLost when this process cannot be used again."""
        self._process.deadline = time.monotonic() + seconds
        packed = msgspec.msgpack.encode(request)
        self._process.write(LENGTH.pack(len(packed)) + packed)
        reply, pixels = self._reply()
        if reply.facts is None:
            problem = os.fsdecode(reply.problem) or "the decoder reported no reason"
            kind = FileChanged if reply.changed else PhotoError
            return kind(problem, os.fsdecode(reply.hint), transient=reply.transient)
        if bool(pixels.size) != request.with_pixels:
            raise ProcessLost(late=False)
        shape = reply.height, reply.width, 3
        took = time.monotonic() - (self._process.deadline - seconds)
        metadata = reply.metadata or Metadata()
        return Decoded(reply.facts, pixels.reshape(shape), reply.pixel_hash, reply.signature, took, metadata)

    def _reply(self) -> tuple[WorkerReply, NDArray[np.uint8]]:
        """Read the next reply and validate it: a malicious file may control the process that sends it."""
        head = bytearray(LENGTHS.size)
        self._process.read(memoryview(head))
        reply_length, pixels_length = LENGTHS.unpack(head)
        if reply_length > _LONGEST_REPLY or pixels_length > self._side * self._side * 3:
            raise ProcessLost(late=False)
        packed = bytearray(reply_length)
        self._process.read(memoryview(packed))
        pixels = np.empty(pixels_length, np.uint8)
        self._process.read(pixels.data)
        try:
            reply = _REPLY.decode(packed)
        except msgspec.MsgspecError:
            raise ProcessLost(late=False) from None
        sizes = (_HASH_BYTES, LOOK_BYTES) if pixels_length else (0, 0)
        if (
            reply.width * reply.height * 3 != pixels_length
            or min(reply.width, reply.height) < 0
            or (len(reply.pixel_hash), len(reply.signature)) != sizes
        ):
            raise ProcessLost(late=False)
        return reply, pixels
