"""The process that reads text in images: takes RGB pixels from stdin, writes lines to stdout.

`TextReader` starts it as `python -m imgret.models.text_process MEGABYTES THREADS DETECTION RECOGNITION DIRECTION`, the
last three being ONNX files. It is confined like a decoder (`imgret.sandbox`): large C++ libraries process what
untrusted files contain, and rapidocr must not reach a network, where it would download files.

Protocol, over pipes, integers little-endian. Request: width and height (u32, u32), then the pixels, row by row. Reply:
the length (u32) of a `ReadReply` and the `ReadReply` as msgpack. The first reply is sent without a request, when the
process is ready.
"""

from __future__ import annotations

import math
import os
import struct
import sys
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct

from imgret import sandbox
from imgret.photo import TextLine

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from onnxruntime import InferenceSession

SIZE = struct.Struct("<II")
LENGTH = struct.Struct("<I")

SHORT_SIDE = 736  # pixels; smaller images are enlarged to it, because the detector was trained at this size
MOST_PIXELS = 1280 * 1024  # of an enlarged image: its area decides the time and the memory
LEAST_SIDE = 8  # pixels; no text is readable in a smaller image
# of 255, between the darkest and the brightest value of any channel: below, nothing is readable
LEAST_CONTRAST = 16
STRIDE = 32  # the detector halves its input five times


class ReadReply(Struct, frozen=True):
    """The lines of an image, or the `problem`."""

    lines: tuple[TextLine, ...] = ()
    problem: str = ""
    confined: tuple[str, ...] = ()  # in the first reply: the result of `sandbox.restrict`


def main(arguments: list[str]) -> None:
    """Serve requests until the parent closes the pipe."""
    memory_mb, threads, *models = arguments
    sandbox.limit_resources(int(memory_mb))
    # Discard what libraries print: it must reach neither the reply pipe nor the user's terminal.
    replies = os.dup(1)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    confined = sandbox.restrict()  # first: the libraries start threads when they are loaded
    reader = Reader(int(threads), *models)
    encoder = msgspec.msgpack.Encoder()
    _send(replies, encoder.encode(ReadReply(confined=confined)))
    os.dup2(nowhere, 2)
    os.close(nowhere)
    while len(head := sys.stdin.buffer.read(SIZE.size)) == SIZE.size:
        width, height = SIZE.unpack(head)
        pixels = sys.stdin.buffer.read(width * height * 3)
        try:
            reply = ReadReply(tuple(reader.read(pixels, width, height)))
        except Exception as error:  # rapidocr and ONNX Runtime raise anything; it costs this image
            last = (str(error).strip() or "no reason given").splitlines()[-1]
            reply = ReadReply(problem=f"{type(error).__name__}: {last}"[:500])
        _send(replies, encoder.encode(reply))


class Reader:
    """The three models: where text is, its orientation, and its characters."""

    def __init__(self, threads: int, detection: str, recognition: str, direction: str) -> None:
        import cv2
        from omegaconf import flag_override
        from rapidocr import RapidOCR

        cv2.setNumThreads(1)
        self._engine: Any = RapidOCR(
            params={
                "Global.log_level": "critical",
                "Global.text_score": 0.0,  # the stage decides which lines to keep
                "Global.use_preprocess_img": False,  # `fitted` has done it
                "Global.use_vertical_padding": False,
                "Det.limit_type": "max",
                "Det.limit_side_len": 1 << 16,
            }
        )
        # With a session for each model rapidocr has nothing to download. Its settings accept one only with this flag.
        settings = self._engine.cfg
        with flag_override(settings, "allow_objects", values=True):
            settings.Det.session = _session(detection, threads)
            settings.Rec.session = _session(recognition, threads)
            settings.Cls.session = _session(direction, threads)
        # rapidocr uses a model when it is first needed: do it now, so that a broken one is a fault of the start.
        self._engine._load_det_model()
        self._engine._load_cls_model()
        self._engine._load_rec_model()

    def read(self, pixels: bytes, width: int, height: int) -> list[TextLine]:
        """Return the lines of RGB pixels, in reading order."""
        import numpy as np

        if min(width, height) < LEAST_SIDE:
            return []
        whole = np.frombuffer(pixels, np.uint8).reshape(height, width, 3)
        if int(np.ptp(whole, axis=(0, 1)).max()) < LEAST_CONTRAST:  # black, white or one colour
            return []
        image = fitted(whole)
        result = self._engine(image[:, :, ::-1].copy())  # the models expect BGR
        if result.boxes is None or result.txts is None:
            return []
        scale = np.array([image.shape[1], image.shape[0]], np.float64)
        return [
            TextLine(text, round(float(score), 3), tuple(corners.clip(0, 1).round(4).ravel().tolist()))
            for text, score, corners in zip(result.txts, result.scores, result.boxes / scale, strict=True)
        ]


def _session(model: str, threads: int) -> InferenceSession:
    from onnxruntime import InferenceSession, SessionOptions

    options = SessionOptions()
    options.log_severity_level = 4  # fatal errors only
    options.enable_cpu_mem_arena = False  # the sizes of images differ, and the arena would keep the largest
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # Many weights of the detector are denormal: a processor takes a hundred times as long to multiply them.
    options.add_session_config_entry("session.set_denormal_as_zero", "1")
    return InferenceSession(model, options, providers=["CPUExecutionProvider"])


def enlarged(width: int, height: int) -> tuple[int, int]:
    """Return the size in pixels at which an image is read: multiples of STRIDE, at most MOST_PIXELS if enlarged."""
    factor = max(1.0, min(SHORT_SIDE / min(width, height), math.sqrt(MOST_PIXELS / (width * height))))
    wide, high = (max(STRIDE, round(side * factor / STRIDE) * STRIDE) for side in (width, height))
    return wide, high


def fitted(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the image (height, width, 3) at the size of `enlarged`."""
    import cv2

    height, width = image.shape[:2]
    size = enlarged(width, height)
    return image if size == (width, height) else cv2.resize(image, size, interpolation=cv2.INTER_LINEAR)


def _send(fd: int, reply: bytes) -> None:
    rest = memoryview(LENGTH.pack(len(reply)) + reply)
    while rest:
        rest = rest[os.write(fd, rest) :]


if __name__ == "__main__":
    main(sys.argv[1:])
