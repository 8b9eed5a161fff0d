"""A packed linear layer computes the same as torch's."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from imgret.models import torch_linear
from imgret.models.torch_linear import _Packed, pack


@settings(deadline=None, max_examples=30)
@given(
    shape=st.lists(st.integers(1, 40), min_size=1, max_size=3),
    width=st.integers(1, 80),
    made=st.integers(1, 80),
    bias=st.booleans(),
)
def test_a_packed_layer_returns_the_same(shape: list[int], width: int, made: int, bias: bool) -> None:
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
def test_few_and_many_rows(rows: int) -> None:
    model = nn.Sequential(nn.Linear(48, 96), nn.GELU(), nn.Linear(96, 24, bias=False)).eval()
    given_ = torch.randn(2, rows, 48)
    with torch.inference_mode():
        before = model(given_)
        pack(model)
        assert torch.allclose(model(given_), before, atol=1e-4)


def test_subclasses_and_unsupported_dtypes_are_not_packed() -> None:
    class Special(nn.Linear):
        pass

    model = nn.ModuleList([nn.Linear(8, 8), Special(8, 8), nn.Linear(8, 8).double()])
    pack(model)
    assert [type(layer) for layer in model] == [_Packed, Special, nn.Linear]


@pytest.fixture
def fresh(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """Clear the cached result of the check of torch's operators before and after the test."""
    torch_linear.usable.cache_clear()
    yield monkeypatch
    monkeypatch.undo()
    torch_linear.usable.cache_clear()


@pytest.mark.must_run
def test_the_pinned_torch_has_the_operators(fresh: pytest.MonkeyPatch) -> None:
    """Without them captioning takes up to twice as long."""
    assert torch_linear.usable(torch.float32)
    assert torch_linear.usable(torch.bfloat16) == torch_linear.has_bfloat16()
    assert not torch_linear.usable(torch.float64)


def _gone(*_: object) -> Tensor:
    raise AttributeError("no such operator")


def _without_an_argument(rows: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    return rows


def _other_numbers(rows: Tensor, *_: object) -> Tensor:
    return torch.zeros(*rows.shape[:-1], 8)


def _another_shape(rows: Tensor, *_: object) -> Tensor:
    return torch.zeros(1, 8)


@pytest.mark.parametrize(
    ("operator", "changed"),
    [
        ("_linear_pointwise", _gone),
        ("_linear_pointwise", _without_an_argument),
        ("_linear_pointwise", _other_numbers),
        ("_linear_pointwise", _another_shape),
        ("_reorder_linear_weight", _gone),
        ("_reorder_linear_weight", lambda weight: weight),
    ],
)
def test_a_torch_whose_operators_changed_keeps_its_own_layers(
    fresh: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    operator: str,
    changed: Callable[..., Tensor],
) -> None:
    fresh.setattr(torch.ops.mkldnn, operator, changed)
    model = nn.Sequential(nn.Linear(16, 8)).eval()
    rows = torch.randn(3, 16)
    with torch.inference_mode():
        before = model(rows)
        torch_linear.pack(model)
        assert type(model[0]) is nn.Linear
        assert torch.equal(model(rows), before)
    assert "models are slower with this version of torch" in caplog.text


def test_bfloat16_is_not_packed_if_torch_does_not_report_whether_it_is_fast(
    fresh: pytest.MonkeyPatch,
) -> None:
    fresh.setattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", None)
    model = nn.Sequential(nn.Linear(16, 8)).to(torch.bfloat16)
    torch_linear.pack(model)
    assert type(model[0]) is nn.Linear
