"""A packed linear layer is the same layer."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from imgret.models.torch_linear import _Packed, pack


@settings(deadline=None, max_examples=30)
@given(
    shape=st.lists(st.integers(1, 40), min_size=1, max_size=3),
    width=st.integers(1, 80),
    made=st.integers(1, 80),
    bias=st.booleans(),
)
def test_a_packed_layer_gives_what_it_gave(shape: list[int], width: int, made: int, bias: bool) -> None:
    model = nn.Sequential(nn.Linear(width, made, bias=bias)).eval()
    rows = torch.randn(*shape, width)
    with torch.inference_mode():
        before = model(rows)
        pack(model)
        after = model(rows)
    assert isinstance(model[0], _Packed)
    assert after.shape == before.shape
    assert torch.allclose(after, before, atol=1e-4)


@pytest.mark.parametrize("rows", [1, 24, 577])
def test_few_rows_and_many(rows: int) -> None:
    model = nn.Sequential(nn.Linear(48, 96), nn.GELU(), nn.Linear(96, 24, bias=False)).eval()
    given_ = torch.randn(2, rows, 48)
    with torch.inference_mode():
        before = model(given_)
        pack(model)
        assert torch.allclose(model(given_), before, atol=1e-4)


def test_what_is_more_than_linear_and_what_onednn_has_no_arithmetic_for_stays() -> None:
    class Special(nn.Linear):
        pass

    model = nn.ModuleList([nn.Linear(8, 8), Special(8, 8), nn.Linear(8, 8).double()])
    pack(model)
    assert [type(layer) for layer in model] == [_Packed, Special, nn.Linear]
