"""Compute linear layers on a CPU with oneDNN and weights that are reordered only once.

torch computes float32 linear layers with MKL, which uses at most AVX2 on CPUs that are not from Intel, and bfloat16
layers with oneDNN, which reorders the weights at each call. With reordered weights both use all instructions of the
CPU: twice the speed on an AMD with AVX-512, mostly for the few rows of a decoding step. Results differ from torch's only
by rounding.

The operators are private to torch's compiler. Only this module calls them, and only after they computed the same as
`torch.nn.Linear` for small layers; otherwise models keep torch's layers.
"""

from __future__ import annotations

import logging
from functools import cache

import torch
from torch import Tensor, nn

_log = logging.getLogger(__name__)

_ROWS = 577  # the layout is optimised for the rows of an image in BLIP; few rows are as fast with it
_TOLERANCE = {torch.float32: 1e-4, torch.bfloat16: 0.05}  # for outputs of about 1


class _Packed(nn.Linear):
    """A linear layer whose `weight` is opaque, in oneDNN's layout."""

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002  (torch's name)
        made: Tensor = torch.ops.mkldnn._linear_pointwise(input, self.weight, self.bias, "none", [], "")
        return made


@torch.inference_mode()
def pack(model: nn.Module) -> None:
    """Replace the linear layers of a model on a CPU by packed ones, if oneDNN supports their dtype.

    If torch's private operators are missing or behave differently, the model is not changed.
    """
    for layer in model.modules():
        if type(layer) is nn.Linear and usable(layer.weight.dtype):
            _pack(layer)


@cache
def usable(dtype: torch.dtype) -> bool:
    """Return whether layers of this dtype can be packed: the operators exist and agree with torch on small layers."""
    if dtype not in _TOLERANCE or not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        return False
    try:
        return (dtype is torch.float32 or has_bfloat16()) and _agrees(dtype)
    except (AttributeError, RuntimeError, TypeError, ValueError) as error:
        _log.warning("models are slower with this version of torch: %s", error)
        return False


def has_bfloat16() -> bool:
    """Return whether this CPU has bfloat16 instructions. Without them bfloat16 is several times slower than float32.

    False if torch does not report it.
    """
    supported = getattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", None)
    return supported is not None and bool(supported())


def is_bfloat16_fast() -> bool:
    """Return whether this CPU computes bfloat16 faster than float32: by AMX or AVX-512 BF16, not by emulation.

    False if torch does not report it.
    """
    reports = (getattr(torch.cpu, f"_is_{name}_supported", None) for name in ("amx_tile", "avx512_bf16"))
    return usable(torch.bfloat16) and any(report is not None and report() for report in reports)


def _pack(layer: nn.Linear) -> None:
    packed = torch.ops.mkldnn._reorder_linear_weight(layer.weight.detach(), _ROWS)
    layer.weight = nn.Parameter(packed, requires_grad=False)
    layer.__class__ = _Packed


@torch.inference_mode()
def _agrees(dtype: torch.dtype) -> bool:
    """Compare small packed layers, with and without a bias, with torch's. Raises an error if they differ."""
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
            raise TypeError(f"a packed layer returns {made.dtype} {tuple(made.shape)}")
        if not torch.allclose(made.float(), expected.float(), atol=_TOLERANCE[dtype], rtol=0.01):
            raise ValueError("a packed layer returns other numbers")
    return True
