"""The least time that the models need on a device: arithmetic and traffic, counted, over ceilings measured there.

Arithmetic is counted by torch's dispatcher while a stage runs. Traffic is what no implementation can avoid: the weights
are read once for each batch, those of the captioner's decoder once for each token, and the keys and values of an image once
for each token. Activations may stay in caches and are not counted. So the floor is lower than what can be reached.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from msgspec import Struct
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.describe.gpu_profile import synchronise
from imgret.stages.interface import Item, StageModel

_SIDE = {"cuda": 8192, "cpu": 1024}  # of the square matrices
_BYTES = {"cuda": 4 << 30, "cpu": 256 << 20}  # that are copied
_SECONDS = 0.5  # for each ceiling
_DEPTH = 6  # of attributes, from a stage's model to its network


class Ceilings(Struct, frozen=True):
    """What the device reaches in the simplest case."""

    flops: dict[str, float]  # dtype -> floating-point operations per second, of a matrix product
    bytes: float  # per second, read and written, of a copy


class Floor(Struct, frozen=True):
    """For one photo of a batch."""

    gflop: float
    megabytes: float
    arithmetic_ms: float
    traffic_ms: float

    @property
    def seconds(self) -> float:
        """Arithmetic and traffic may overlap, so the longer one counts."""
        return max(self.arithmetic_ms, self.traffic_ms) / 1000


def ceilings(device: str, dtypes: Sequence[str]) -> Ceilings:
    """Measure a large matrix product of random numbers in each dtype, and a large copy."""
    kind = torch.device(device).type
    side, flops = _SIDE[kind], {}
    for name in dict.fromkeys(dtypes):
        dtype = getattr(torch, name)
        left, right = (torch.randn(side, side, device=device).to(dtype) for _ in range(2))
        out = torch.empty_like(left)
        flops[name] = 2 * side**3 * _rate(device, partial(torch.mm, left, right, out=out))
    source = torch.empty(_BYTES[kind] // 2, dtype=torch.uint8, device=device).fill_(1)
    target = torch.empty_like(source)
    return Ceilings(flops, _BYTES[kind] * _rate(device, lambda: target.copy_(source)))


def floor(model: StageModel, items: Sequence[Item], ceiling: Ceilings, dtype: str) -> Floor:
    """Return the floor of a stage for a photo of the batch `items`."""
    counter = FlopCounterMode(display=False, custom_mapping=_packed_linear())
    with counter:
        model.run(items)
    networks = _networks(model)
    moved = sum(_weights(network) for network in networks) / len(items)
    moved += sum(_decoding(network, model, len(items)) for network in networks)
    flop = counter.get_total_flops() / len(items)
    return Floor(
        round(flop / 1e9, 3),
        round(moved / 1e6, 3),
        round(flop / ceiling.flops[dtype] * 1000, 4),
        round(moved / ceiling.bytes * 1000, 4),
    )


def _rate(device: str, call: Callable[[], object]) -> float:
    """Return how often a second `call` is computed, after three times to warm up."""
    for _ in range(3):
        call()
    synchronise(device)
    began, count = time.perf_counter(), 0
    while time.perf_counter() - began < _SECONDS:
        for _ in range(10):
            call()
        synchronise(device)
        count += 10
    return count / (time.perf_counter() - began)


def _packed_linear() -> dict[Any, Any]:
    """Return how to count the packed linear layers of `imgret.models.torch_linear`, which torch does not count."""
    operator = getattr(torch.ops.mkldnn, "_linear_pointwise", None)
    if operator is None:
        return {}

    def count(given: Any, *_: Any, out_shape: Any = None, **__: Any) -> int:
        rows = 1
        for length in given[:-1]:
            rows *= length
        return int(2 * rows * given[-1] * out_shape[-1])

    return {operator: count}


def _networks(model: object) -> list[nn.Module]:
    """Return the networks among the attributes of a stage's model, each once."""
    found: dict[int, nn.Module] = {}
    seen: set[int] = set()

    def look(value: object, depth: int) -> None:
        if id(value) in seen or depth > _DEPTH:
            return
        seen.add(id(value))
        if isinstance(value, nn.Module):
            found[id(value)] = value
        elif isinstance(value, (list, tuple)):
            for each in value:
                look(each, depth + 1)
        elif hasattr(value, "__dict__") and not isinstance(value, type):
            for each in vars(value).values():
                look(each, depth + 1)

    look(model, 0)
    inner = {id(part) for network in found.values() for part in network.modules() if part is not network}
    return [network for key, network in found.items() if key not in inner]


def _weights(network: nn.Module) -> int:
    return sum(each.numel() * each.element_size() for each in network.parameters())


def _decoding(network: nn.Module, model: Any, batch: int) -> float:
    """Return the bytes of a photo that a captioner's decoder reads for all tokens; 0 for other networks."""
    decoder = getattr(network, "text_decoder", None)
    if decoder is None:
        return 0.0
    config: Any = network.config
    text, vision = config.text_config, config.vision_config
    positions = (vision.image_size // vision.patch_size) ** 2 + 1
    size = next(network.parameters()).element_size()
    images = 2 * text.num_hidden_layers * positions * text.hidden_size * size
    return float(_tokens(model) * (images + _weights(decoder) / batch))


def _tokens(model: Any) -> int:
    """Return the most tokens of a caption, as the identity of a captioner names it."""
    settings = str(model.identity.settings)
    return int(settings.partition("tokens=")[2].split()[0])
