"""Reads text in images with rapidocr, in a confined process that may crash, hang or run out of memory.

The process is started by a thread of its own, which lives as long as the reader: the kernel kills a confined process
(PR_SET_PDEATHSIG) when the *thread* that started it ends, and the pipeline has new threads for each run.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import msgspec

from imgret.confined_process import ConfinedProcess, ProcessLost
from imgret.errors import PhotoError, WeightsError
from imgret.limits import Shortage
from imgret.models.text_process import LENGTH, SIZE, ReadReply

if TYPE_CHECKING:
    from imgret.models.model_protocols import Pixels
    from imgret.photo import TextLine

MEMORY_MB = 6144  # of address space, which is several times what is used
SECONDS = 60.0  # for one image; a page full of text takes a few seconds
MOST_THREADS = 4  # more are hardly faster on images of this size
_LONGEST_REPLY = 1 << 22  # bytes


class TextReader:
    """One reading process, replaced when it is lost. Only one thread at a time calls it."""

    def __init__(
        self,
        models: Sequence[str],
        *,
        threads: int = 0,
        memory_mb: int = MEMORY_MB,
        seconds: float = SECONDS,
    ) -> None:
        """Start the process. `models` are the ONNX files of detection, recognition and direction.

        Raises WeightsError if rapidocr cannot be loaded, Shortage if the system allows no further process.
        """
        self._arguments = [str(memory_mb), str(threads or _threads()), *models]
        self._seconds = seconds
        self._process: ConfinedProcess | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="read-text")
        self._thread.submit(self._started).result()

    def read(self, pixels: Pixels) -> tuple[TextLine, ...]:
        """Return the lines of an image. Raises PhotoError if it cannot be read."""
        return self._thread.submit(self._read, pixels).result()

    def close(self) -> None:
        """Kill the process."""
        if self._process is not None:
            self._process.kill()
        self._thread.shutdown(wait=True)
        if self._process is not None:
            self._process.exit_code()

    @property
    def pid(self) -> int | None:
        """The id of the process; None after it was lost, until the next image."""
        return self._process.pid if self._process is not None else None

    def _started(self) -> ConfinedProcess:
        try:
            process = ConfinedProcess(
                "imgret.models.text_process", self._arguments, {"OPENBLAS_NUM_THREADS": "1"}
            )
        except (OSError, MemoryError) as error:
            raise Shortage(f"no process can be started that reads text: {error}") from None
        self._process = process
        try:
            _reply(process)
        except ProcessLost:
            self._process = None
            raise WeightsError(
                f"the process that reads text does not start: {process.start_error()}",
                "Install the versions in constraints.txt: `pip install 'imgret[ocr]'`.",
            ) from None
        process.started()
        return process

    def _read(self, pixels: Pixels) -> tuple[TextLine, ...]:
        process = self._process or self._started()
        height, width = pixels.shape[:2]
        process.deadline = time.monotonic() + self._seconds
        try:
            process.write(SIZE.pack(width, height))
            process.write(pixels.tobytes())
            reply = _reply(process)
        except ProcessLost as lost:
            self._process = None
            process.kill()
            raise self._reason(process.exit_code(), late=lost.late) from None
        if reply.problem:
            raise PhotoError(f"its text was not read: {reply.problem}", transient=True)
        return reply.lines

    def _reason(self, code: int, *, late: bool) -> PhotoError:
        if late:
            return PhotoError(f"its text was not read within {self._seconds:g} seconds", transient=True)
        by = signal.strsignal(-code) if code < 0 else f"exit code {code}"
        # SIGKILL usually comes from the kernel when memory is short, so a later attempt may succeed.
        return PhotoError(
            f"the process that reads text crashed on this photo ({by})", transient=code == -signal.SIGKILL
        )


def _reply(process: ConfinedProcess) -> ReadReply:
    """Read the next reply and validate it: a malicious image may control the process that sends it."""
    head = bytearray(LENGTH.size)
    process.read(memoryview(head))
    (length,) = LENGTH.unpack(head)
    if length > _LONGEST_REPLY:
        raise ProcessLost(late=False)
    packed = bytearray(length)
    process.read(memoryview(packed))
    try:
        reply = msgspec.msgpack.decode(packed, type=ReadReply)
    except msgspec.MsgspecError:
        raise ProcessLost(late=False) from None
    if not all(0 <= number <= 1 for line in reply.lines for number in (line.confidence, *line.box)):
        raise ProcessLost(late=False)
    return reply


def _threads() -> int:
    """Return OMP_NUM_THREADS if it is set, else the number of available processors, at most MOST_THREADS."""
    configured = os.environ.get("OMP_NUM_THREADS", "")
    try:
        processors = len(os.sched_getaffinity(0))
    except AttributeError:  # not Linux
        processors = os.cpu_count() or 1
    return max(1, min(int(configured) if configured.isdecimal() else processors, MOST_THREADS))
