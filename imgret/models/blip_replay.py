"""A decoding step of one shape, recorded as a CUDA graph once and replayed for every word of every batch.

A step starts some 300 kernels, which a GPU computes faster than a processor can start them. Recorded, they
are started together; for that nothing about them may change but the content of the tensors: all slots of the
past are looked at and a mask hides those that are yet to come, and pictures that are done stay until all are.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from transformers import BlipForConditionalGeneration

from imgret.models.batching import is_out_of_memory
from imgret.models.blip_decoder import Decoder, past_of

_log = logging.getLogger(__name__)


class Decoders:
    """Decoders for batches as they come: recorded once the same number of pictures comes a second time.

    One is kept, for it holds the memory of its batch; a batch of another size lets go of it, so that after a
    lack of memory, which halves the batch, it does not stand in the way.
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
        """`replay`: whether any is to be recorded; it pays on a GPU."""
        self._asked = (model, prompt, beams, steps)
        self._replay = replay
        self._size = 0
        self._kept: ReplayedDecoder | None = None

    def of(self, batch: int) -> Decoder:
        """A decoder with room for `batch` pictures, to be used until the next is asked for."""
        model, prompt, beams, steps = self._asked
        if batch != self._size:
            self._size, self._kept = batch, None
        elif self._replay:
            self._kept = self._kept or ReplayedDecoder(model, batch, prompt, beams, steps)
            return self._kept
        return Decoder(model, batch, prompt, beams, steps)


class ReplayedDecoder(Decoder):
    """A `Decoder` for many batches of one size. On a processor its step is run as it is, not recorded."""

    leaves = False

    def __init__(
        self, model: BlipForConditionalGeneration, batch: int, prompt: Sequence[int], beams: int, steps: int
    ) -> None:
        """As `Decoder`; what a step reads lies in tensors that stay."""
        super().__init__(model, batch, prompt, beams, steps)
        self._past.zero_()  # what is hidden by a mask is multiplied by nought, which a number must be for
        self._words = torch.zeros((batch, beams), dtype=torch.long, device=self.device)
        self._position = torch.zeros(1, dtype=torch.long, device=self.device)
        self._slots = torch.zeros(beams, dtype=torch.long, device=self.device)
        self._mask = torch.zeros((batch, 1, beams, self.slots), dtype=torch.bool, device=self.device)
        self._every = torch.arange(self.slots, device=self.device)
        self._logits = torch.empty(0)
        self._again: Callable[[], None] | None = None

    def begin(self, seen: Tensor) -> Tensor:
        """As `Decoder.begin`; what the batch before has left is hidden."""
        self._mask.zero_()
        self._mask[..., : len(self._prompt)] = True
        return super().begin(seen)

    def read(self, words: Tensor, ancestors: Tensor) -> Tensor:
        """As `Decoder.read`; the logits are to be used before the next word."""
        beams, step = ancestors.shape[1:]
        begin = len(self._prompt) + (step - 1) * beams
        self._words.copy_(words)
        self._position.fill_(len(self._prompt) + step - 1)
        self._slots.copy_(self._every[begin : begin + beams])
        self._mask[..., len(self._prompt) : begin + beams] = past_of(ancestors)
        if self._again is None:
            self._again = self._recorded()
        self._again()
        return self._logits

    def _run(self) -> None:
        self._logits = self.step(self._words, self._position, self._slots, self._mask)

    def _recorded(self) -> Callable[[], None]:
        """What repeats the step. It may be run any number of times, for it writes what it would write anyhow."""
        if self.device.type != "cuda":
            return self._run
        try:
            with torch.cuda.device(self.device):
                aside = torch.cuda.Stream()  # type: ignore[no-untyped-call]
                aside.wait_stream(torch.cuda.current_stream())
                with torch.cuda.stream(aside):  # libraries make their own buffers at the first use
                    self._run()
                    self._run()
                torch.cuda.current_stream().wait_stream(aside)
                graph = torch.cuda.CUDAGraph()
                # questions may be embedded on this GPU meanwhile, by another thread
                with torch.cuda.graph(graph, capture_error_mode="thread_local"):
                    self._run()
        except RuntimeError as error:
            if is_out_of_memory(error):
                raise
            _log.warning("a decoding step could not be recorded, captions take longer: %s", error)
            return self._run
        return graph.replay
