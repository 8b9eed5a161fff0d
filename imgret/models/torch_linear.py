"""Linear layers on a processor computed by oneDNN, their weights arranged for it once.

torch hands a linear layer in float32 to MKL, which on other makers' processors keeps to AVX2, and one in
bfloat16 to oneDNN, which then arranges the weights anew at each call. Arranged beforehand, both use all that the
processor has: twice the speed on an AMD with AVX-512, most of all for the few rows of a decoding step. Results
differ from torch's own by rounding.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

_ROWS = 577  # that the arrangement is made for: of BLIP's pictures. Few rows are as fast with it
_OPERATORS = ("_linear_pointwise", "_reorder_linear_weight", "_is_mkldnn_bf16_supported")


class _Packed(nn.Linear):
    """A linear layer whose `weight` is opaque, in oneDNN's own layout."""

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002  (the name that torch gives it)
        made: Tensor = torch.ops.mkldnn._linear_pointwise(input, self.weight, self.bias, "none", [], "")
        return made


@torch.inference_mode()
def pack(model: nn.Module) -> None:
    """Pack the linear layers of a model on a processor, where oneDNN has arithmetic for their dtype.

    The operators are torch's own for compiled models, not its public interface: a torch without them leaves
    the model as it is.
    """
    if not all(hasattr(torch.ops.mkldnn, name) for name in _OPERATORS):
        return
    dtypes = {torch.float32}
    if torch.ops.mkldnn._is_mkldnn_bf16_supported():
        dtypes.add(torch.bfloat16)
    for layer in model.modules():
        if type(layer) is nn.Linear and layer.weight.dtype in dtypes:
            packed = torch.ops.mkldnn._reorder_linear_weight(layer.weight.detach(), _ROWS)
            layer.weight = nn.Parameter(packed, requires_grad=False)
            layer.__class__ = _Packed
