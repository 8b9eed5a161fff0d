"""Record a decoding step as a CUDA graph, and replay it for every token of every batch of the same size.

A step launches about 300 kernels, and a GPU computes them faster than a CPU can launch them. A graph launches them
together. For that, only the contents of the tensors may change: each step attends to all slots and a mask hides the
future ones, and finished images stay in the batch until all are finished.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from functools import cache

import torch
from torch import Tensor
from transformers import BlipForConditionalGeneration

from imgret.limits import is_out_of_memory
from imgret.models.blip_decoder import Decoder, past_of

_log = logging.getLogger(__name__)

_RECORDING = threading.Lock()  # two threads cannot record on one stream


class Decoders:
    """Create decoders for batches. From the second batch in a row with the same size, steps are replayed.

    Only one recorded decoder is kept, because it occupies the memory of its batch. A batch of another size releases it:
    after an out-of-memory error, which halves the batch size, its memory is needed.
    """

    def __init__(
        self,
        model: BlipForConditionalGeneration,
        prompt: Sequence[int],
        beams: int,
        steps: int,
        *,
        replay: bool,
    ) -> None:
        """`replay`: record steps, which is faster on a GPU."""
        self._parameters = (model, prompt, beams, steps)
        self._replay = replay
        self._size = 0
        self._kept: ReplayedDecoder | None = None

    def of(self, batch: int) -> Decoder:
        """Return a decoder for `batch` images. It is valid until the next call."""
        model, prompt, beams, steps = self._parameters
        if batch != self._size:
            self._size, self._kept = batch, None
        elif self._replay:
            self._kept = self._kept or ReplayedDecoder(model, batch, prompt, beams, steps)
            return self._kept
        return Decoder(model, batch, prompt, beams, steps)


class ReplayedDecoder(Decoder):
    """A `Decoder` for many batches of one size. On a CPU the step is executed and not recorded."""

    can_shrink = False

    def __init__(
        self, model: BlipForConditionalGeneration, batch: int, prompt: Sequence[int], beams: int, steps: int
    ) -> None:
        """Allocate as `Decoder` does, and the fixed tensors that a step reads."""
        super().__init__(model, batch, prompt, beams, steps)
        self._past.zero_()  # masked slots are multiplied by 0, so they must not contain NaN
        self._tokens = torch.zeros((batch, beams), dtype=torch.long, device=self.device)
        self._position = torch.zeros(1, dtype=torch.long, device=self.device)
        self._slots = torch.zeros(beams, dtype=torch.long, device=self.device)
        self._mask = torch.zeros((batch, 1, beams, self.slots), dtype=torch.bool, device=self.device)
        self._every = torch.arange(self.slots, device=self.device)
        self._logits = torch.empty(0)
        self._again: Callable[[], None] | None = None

    def begin(self, encoded: Tensor, images: Tensor | None = None) -> Tensor:
        """Do the same as `Decoder.begin`, and mask the slots of the previous batch."""
        self._mask.zero_()
        self._mask[..., : len(self._prompt)] = True
        return super().begin(encoded, images)

    def read(self, tokens: Tensor, ancestors: Tensor) -> Tensor:
        """Do the same as `Decoder.read`. The next call overwrites the logits."""
        beams, step = ancestors.shape[1:]
        begin = len(self._prompt) + (step - 1) * beams
        self._tokens.copy_(tokens)
        self._position.fill_(len(self._prompt) + step - 1)
        self._slots.copy_(self._every[begin : begin + beams])
        self._mask[..., len(self._prompt) : begin + beams] = past_of(ancestors)
        if self._again is None:
            self._again = self._recorded()
        self._again()
        return self._logits

    def _run(self) -> None:
        self._logits = self.step(self._tokens, self._position, self._slots, self._mask)

    def _recorded(self) -> Callable[[], None]:
        """Return a function that executes the step. Warm-up runs are harmless: they write the same values."""
        if self.device.type != "cuda":
            return self._run
        try:
            with torch.cuda.device(self.device), _RECORDING:
                aside = _recording_stream(self.device)
                aside.wait_stream(torch.cuda.current_stream())
                with torch.cuda.stream(aside):  # libraries allocate buffers at their first use
                    self._run()
                    self._run()
                torch.cuda.current_stream().wait_stream(aside)
                graph = torch.cuda.CUDAGraph()
                # Another thread may embed queries on this GPU meanwhile.
                with torch.cuda.graph(graph, stream=aside, capture_error_mode="thread_local"):
                    self._run()
        except RuntimeError as error:
            if is_out_of_memory(error):
                raise
            _log.warning("captioning is slower, because a decoding step could not be recorded: %s", error)
            return self._run
        return graph.replay


@cache
def _recording_stream(device: torch.device) -> torch.cuda.Stream:
    """Return the stream on which steps are recorded: cuBLAS keeps a workspace (32 MB on Hopper) for each stream it sees."""
    return torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
