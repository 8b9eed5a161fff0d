"""Linear layers on a processor, computed by oneDNN with weights that are reordered only once.

torch gives a linear layer in float32 to MKL, which uses no more than AVX2 on processors of other makers, and one
in bfloat16 to oneDNN, which then reorders the weights at each call. With reordered weights both use everything
that the processor has: twice the speed on an AMD with AVX-512, most of all for the few rows of a decoding step.
Results differ from torch's own by rounding.

The operators are torch's own for compiled models and private. This is the only module that calls them. They are
used only after they computed a small layer as `torch.nn.Linear` does; otherwise models keep torch's layers.
"""

from __future__ import annotations

import logging
from functools import cache

import torch
from torch import Tensor, nn

_log = logging.getLogger(__name__)

_ROWS = 577  # that the layout is made for: of BLIP's images. Few rows are as fast with it
_TOLERANCE = {torch.float32: 1e-4, torch.bfloat16: 0.05}  # for outputs of about 1


class _Packed(nn.Linear):
    """A linear layer whose `weight` is opaque, in oneDNN's own layout."""

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002  (the name that torch gives it)
        made: Tensor = torch.ops.mkldnn._linear_pointwise(input, self.weight, self.bias, "none", [], "")
        return made


@torch.inference_mode()
def pack(model: nn.Module) -> None:
    """Pack the linear layers of a model on a processor, where oneDNN can compute in their dtype.

    A torch whose private operators are missing, or work in another way, leaves the model as it is.
    """
    for layer in model.modules():
        if type(layer) is nn.Linear and usable(layer.weight.dtype):
            _pack(layer)


@cache
def usable(dtype: torch.dtype) -> bool:
    """Whether layers of this dtype can be packed: the operators exist and agree with torch on a small layer."""
    if dtype not in _TOLERANCE or not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        return False
    try:
        return (dtype is torch.float32 or has_bfloat16()) and _agrees(dtype)
    except (AttributeError, RuntimeError, TypeError, ValueError) as error:
        _log.warning("this version of torch computes linear layers more slowly: %s", error)
        return False


def has_bfloat16() -> bool:
    """Whether this processor computes in bfloat16; without, it is several times slower than float32.

    False too where torch cannot tell.
    """
    asked = getattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", None)
    return asked is not None and bool(asked())


def _pack(layer: nn.Linear) -> None:
    packed = torch.ops.mkldnn._reorder_linear_weight(layer.weight.detach(), _ROWS)
    layer.weight = nn.Parameter(packed, requires_grad=False)
    layer.__class__ = _Packed


@torch.inference_mode()
def _agrees(dtype: torch.dtype) -> bool:
    """Whether small layers, with and without a bias, give the same packed. Raises where an operator is missing."""
    numbers = torch.Generator().manual_seed(1)
    rows = torch.randn(2, 3, 32, generator=numbers).to(dtype)
    for bias in (True, False):
        layer = nn.Linear(32, 8, bias=bias)
        layer.weight.copy_(torch.randn(8, 32, generator=numbers) / 32**0.5)
        if bias:
            layer.bias.copy_(torch.randn(8, generator=numbers))
        layer.to(dtype)
        expected = layer(rows)
        _pack(layer)
        made = layer(rows)
        if made.dtype != dtype or made.shape != expected.shape:
            raise TypeError(f"a packed layer gives {made.dtype} {tuple(made.shape)}")
        if not torch.allclose(made.float(), expected.float(), atol=_TOLERANCE[dtype], rtol=0.01):
            raise ValueError("a packed layer gives other numbers")
    return True
