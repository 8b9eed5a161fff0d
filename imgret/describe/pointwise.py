"""Linear layers of a processor computed as convolutions of one pixel, where that is faster.

Both are the same matrix product, `x @ weight.T + bias`. But torch hands a linear layer in float32 to MKL, which
on other makers' processors keeps to AVX2, and a convolution to oneDNN, which uses all that the processor
has: on an AMD with AVX-512 twice as fast, in bfloat16 for long batches 1.7 times. Results differ by rounding.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, linear

_LEAST_ROWS = {
    torch.float32: 64,
    torch.bfloat16: 512,
}  # below, arranging the weights costs more than it gains
_TRIAL_ROWS = 577  # of BLIP's pictures
_WORTH = 1.1  # times faster


class _Pointwise(nn.Linear):
    """A linear layer that takes the faster of both ways."""

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002  (the name that torch gives it)
        if input.numel() < _LEAST_ROWS[input.dtype] * self.in_features:
            return linear(input, self.weight, self.bias)
        return _as_convolution(input, self.weight, self.bias)


def quicken(model: nn.Module) -> None:
    """Make the linear layers of a model on a processor faster, where a trial shows that they become so."""
    layers = [module for module in model.modules() if type(module) is nn.Linear]
    for dtype in {layer.weight.dtype for layer in layers}:
        mine = [layer for layer in layers if layer.weight.dtype is dtype]
        if dtype in _LEAST_ROWS and _pays(mine[0]):
            for layer in mine:
                layer.__class__ = _Pointwise


def _as_convolution(input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:  # noqa: A002
    """(..., in) -> (..., out). Rows are pixels of an image in the layout `channels_last`: nothing is copied."""
    rows = input.reshape(1, -1, 1, weight.shape[1]).permute(0, 3, 1, 2)
    made = conv2d(rows, weight[:, :, None, None], bias)
    return made.permute(0, 2, 3, 1).reshape(*input.shape[:-1], weight.shape[0])


@torch.inference_mode()
def _pays(layer: nn.Linear) -> bool:
    """Whether the convolution is clearly faster here. Some ten milliseconds."""
    rows = torch.ones(_TRIAL_ROWS, layer.in_features, dtype=layer.weight.dtype)
    as_linear = _seconds(lambda: linear(rows, layer.weight, layer.bias))
    return as_linear > _WORTH * _seconds(lambda: _as_convolution(rows, layer.weight, layer.bias))


def _seconds(call: Callable[[], Tensor]) -> float:
    """The least of five times, after one that does not count."""
    times = []
    for _ in range(6):
        began = time.perf_counter()
        call()
        times.append(time.perf_counter() - began)
    return min(times[1:])
