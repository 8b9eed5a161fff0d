"""`imgret doctor` names the extra that makes searches in a large library faster."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from typing import Any

import pytest

from imgret.cli.commands import run
from imgret.photo import ModelIdentity
from imgret.store.interface import Store
from imgret.store.sqlite import nearest


@pytest.mark.parametrize("coded", [True, False])
@pytest.mark.parametrize("installed", [True, False])
def test_doctor_names_the_extra_for_large_libraries(
    store: Store,
    units: Callable[..., Any],
    bulk: Callable[..., list[int]],
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    coded: bool,
    installed: bool,
) -> None:
    monkeypatch.setattr(nearest, "EXACT", 100 if coded else 10_000)
    if not installed:
        monkeypatch.setitem(sys.modules, "numkong", None)
    model = ModelIdentity("a", "1")
    bulk(units(300, dimension=64), model)
    assert store.vectors.activate_when_complete(model)
    monkeypatch.setenv("IMGRET_INDEX", store.path)
    assert (importlib.util.find_spec("numkong") is not None) == installed
    run(["doctor"])
    output = capfd.readouterr()
    assert ("imgret[large]" in output.out + output.err) == (coded and not installed)
