"""The columns of the towns give what a list of objects would give, in little memory and once for the process."""

from __future__ import annotations

import gzip
import random
import threading
from collections import defaultdict
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgret.geography import gazetteer
from imgret.geography.local_names import folded
from imgret.geography.packed_texts import PackedTexts
from imgret.geography.towns import Town, Towns


@pytest.fixture(scope="module")
def path() -> str:
    found = gazetteer.data_path()
    assert found is not None
    return found


@pytest.fixture(scope="module")
def plain(path: str) -> list[Town]:
    with gzip.open(path) as file:
        return msgspec.json.decode(file.read(), type=list[Town])


@given(st.lists(st.text() | st.text(st.characters(categories=["Cs"]))))
def test_packed_texts_are_a_list(texts: list[str]) -> None:
    packed = PackedTexts(iter(texts))
    assert list(packed) == texts
    assert len(packed) == len(texts)
    assert [packed[at - len(texts)] for at in range(len(texts))] == texts
    for outside in (len(texts), -len(texts) - 1):
        with pytest.raises(IndexError):
            packed[outside]


def test_the_towns_are_those_of_the_file(path: str, plain: list[Town]) -> None:
    towns = Towns(path)
    assert len(towns) == len(plain)
    assert list(towns) == plain
    assert towns[-1] == plain[-1]
    assert towns[5:9] == plain[5:9]
    assert towns.country_codes() == {town.country_code for town in plain}
    with pytest.raises(IndexError):
        towns[len(plain)]


def test_towns_and_regions_are_found_by_their_folded_names(path: str, plain: list[Town]) -> None:
    towns = Towns(path)
    called: dict[str, list[Town]] = defaultdict(list)
    regions: dict[tuple[str, ...], list[Town]] = defaultdict(list)
    for town in plain:
        called[folded(town.city)].append(town)
        for key in ((town.country_code, town.state), (town.country_code, town.state, town.county)):
            if key[-1]:
                regions[key].append(town)
    alike: dict[str, list[list[Town]]] = defaultdict(list)
    for key, found in regions.items():
        alike[folded(key[-1])].append(found)
    chance = random.Random(7)
    for name in chance.sample(sorted(called), 300):
        assert towns.called(name) == called[name]
    for name in chance.sample(sorted(alike.keys() - {""}), 300):
        assert _sorted(towns.regions(name)) == _sorted(alike[name])
    assert towns.called("nosuchtown") == towns.regions("nosuchregion") == towns.regions("") == []


WHOLE = gzip.compress(b'[{"city": 1}]', mtime=0)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no gzip",
        gzip.compress(b"{}", mtime=0),
        WHOLE,
        WHOLE[:-9],  # cut short
        WHOLE[:10] + b"\xff" * 20,  # damaged
    ],
)
def test_a_file_that_is_not_the_data_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "towns.gz").write_bytes(content)
    with pytest.raises((OSError, ValueError)):
        Towns(str(tmp_path / "towns.gz"))


def test_threads_share_one_gazetteer(path: str) -> None:
    gazetteer._gazetteer.cache_clear()
    found: list[gazetteer.Gazetteer] = []
    threads = [threading.Thread(target=lambda: found.append(gazetteer.loaded(path))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    assert all(each is found[0] for each in found)


def _sorted(regions: list[list[Town]]) -> list[list[Town]]:
    return sorted(
        regions, key=lambda towns: (towns[0].country_code, towns[0].state, len(towns), towns[0].city)
    )
