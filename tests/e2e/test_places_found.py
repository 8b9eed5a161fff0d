"""Places from the file to the hit: looked up, found by name and by distance, listed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from command_line import WORDS_ONLY, Library, imgret, settle_clock
from PIL import Image

WITH_PLACES = "decode_workers = 1\n" + WORDS_ONLY.replace('[place]\nweights = "none"\n', "")


def photo(path: Path, position: tuple[object, object] | None, colour: str = "red") -> None:
    exif = Image.Exif()
    if position is not None:
        exif.get_ifd(0x8825).update(
            dict(zip((1, 2, 3, 4), ("N", position[0], "E", position[1]), strict=True))
        )
    Image.new("RGB", (40, 30), colour).save(path, exif=exif)


@pytest.fixture
def travels(empty: Library) -> Library:
    empty.config.write_text(WITH_PLACES)
    photo(empty.photos / "IMG_1.jpg", ((41.0, 53.0, 24.0), (12.0, 29.0, 24.0)))
    photo(empty.photos / "IMG_2.jpg", ((44.0, 8.0, 6.0), (9.0, 41.0, 2.0)), "yellow")
    photo(empty.photos / "IMG_3.jpg", (0.0, 0.0), "blue")
    photo(empty.photos / "IMG_4.jpg", ((95.0, 0.0, 0.0), (9.0, 0.0, 0.0)), "green")
    photo(empty.photos / "IMG_5.jpg", None, "white")
    photo(empty.photos / "IMG_6.jpg", (35.66, 139.7))  # the pixels of IMG_1
    settle_clock(empty.photos)
    done = empty.index()
    assert done.code == 0, done.err
    return empty


def test_photos_are_found_by_place_and_by_distance(travels: Library) -> None:
    rome, vernazza = (str(travels.photos / name) for name in ("IMG_1.jpg", "IMG_2.jpg"))
    for query in ("place:rome", "place:roma", "rome", "near:rome", "near:41.89,12.49,5km", "place:lazio"):
        assert imgret("query", query).paths == [rome], query
    for query in ("place:vernazza", "near:vernazza,italy", "near:44.13,9.71,5km", "place:italy -place:rome"):
        assert imgret("query", query).paths == [vernazza], query
    assert sorted(imgret("query", "--place", "italia").paths) == [rome, vernazza]
    assert len(imgret("query", "has:place").paths) == 2  # the copy is folded into its hit
    assert imgret("query", "place:tokyo").paths == [str(travels.photos / "IMG_6.jpg")]
    assert imgret("query", "--near", "41.89,12.49,400km", "-place:rome").paths == [vernazza]
    (hit,) = imgret("query", "--json", "lazio").objects
    assert hit["why"] == ["place: Rome, Lazio, Italy"]
    assert (hit["place"]["city"], hit["place"]["country_code"]) == ("Rome", "IT")
    assert travels.shown("IMG_3.jpg")["place"] is travels.shown("IMG_5.jpg")["place"] is None
    assert "place    Rome, Lazio, Italy" in imgret("show", rome).out.decode()
    assert travels.status()["pending"] == 0  # also of the photo whose results were copied


def test_areas_regions_and_own_names(travels: Library) -> None:
    rome, vernazza = (str(travels.photos / name) for name in ("IMG_1.jpg", "IMG_2.jpg"))
    for query in ('near:"Cinque Terre"', "near:liguria", "near:cinque-terre"):
        assert imgret("query", query).paths == [vernazza], query
    assert imgret("query", "--near", "Lazio").paths == [rome]
    assert rome not in imgret("query", "-near:lazio").paths
    travels.config.write_text(WITH_PLACES + '[place.names]\n"Our hut" = "44.13, 9.68, 2km"\n')
    assert imgret("query", 'near:"our hut"').paths == [vernazza]
    assert travels.status()["pending"] == 0  # names for searches change no result
    travels.config.write_text(WITH_PLACES + '[place]\nnames = {"Our hut" = "44.13, 999"}\n')
    wrong = imgret("query", "near:rome")
    assert wrong.code == 2
    assert "'Our hut': 44.13,999 is no point on the earth." in wrong.err


def test_places_are_listed_with_their_numbers(travels: Library) -> None:
    assert imgret("places").out.decode().splitlines() == [
        "      1  Rome, Lazio, Italy",
        "      1  Vernazza, Liguria, Italy",
        "      1  Sakuragaokachō, Tokyo, Japan",
    ]
    first, second, _ = imgret("places", "--json").objects
    assert (first["v"], first["photos"], first["city"], second["city"]) == (1, 1, "Rome", "Vernazza")
    assert imgret("places", "liguria").out.decode().splitlines() == ["      1  Vernazza, Liguria, Italy"]
    nothing = imgret("places", "france")
    assert (nothing.code, nothing.out) == (1, b"")
    assert "no photo was taken in a place that is called france" in nothing.err
    (travels.photos / "IMG_1.jpg").unlink()
    travels.index()
    assert len(imgret("places").out.splitlines()) == 2


def test_a_sidecar_gives_the_place_of_a_photo(empty: Library) -> None:
    empty.config.write_text(WITH_PLACES.replace('[metadata]\nweights = "none"\n', ""))
    photo(empty.photos / "IMG_1.jpg", None)
    photo(
        empty.photos / "IMG_2.jpg", (35.66, 139.7), "blue"
    )  # the camera's position counts before that of Takeout
    for latitude, longitude, found in ((41.89, 12.49, "rome"), (44.135, 9.684, "vernazza"), (0.0, 0.0, None)):
        for name in ("IMG_1.jpg", "IMG_2.jpg"):
            position = {"latitude": latitude, "longitude": longitude, "altitude": 0.0}
            sidecar = json.dumps({"title": name, "geoData": position})
            (empty.photos / f"{name}.json").write_text(sidecar)
        settle_clock(empty.photos)
        assert empty.index().code == 0
        for place in ("rome", "vernazza"):
            expected = [str(empty.photos / "IMG_1.jpg")] if place == found else []
            assert imgret("query", f"place:{place}").paths == expected, (place, found)
        assert imgret("query", "place:tokyo").paths == [str(empty.photos / "IMG_2.jpg")]
        assert empty.status()["pending"] == 0


def test_an_empty_result_gives_its_reason(travels: Library) -> None:
    nothing = imgret("query", "near:berlin")
    assert nothing.code == 1
    assert "no photo was taken within 20 km of 52.5" in nothing.err
    nothing = imgret("query", "near:bavaria")
    assert nothing.code == 1
    assert "no photo was taken near bavaria" in nothing.err
    unknown = imgret("query", 'near:"our hut"')
    assert unknown.code == 2
    assert 'define it under [place] in the configuration: names."our hut" = "44.13, 9.71, 5km"' in unknown.err
    refused = imgret("query", "near:144.13,9.71")
    assert refused.code == 2
    assert "The latitude comes first: 9.71,144.13." in refused.err


def test_without_positions_nothing_is_listed_and_the_data_is_not_read(empty: Library) -> None:
    empty.config.write_text(WITH_PLACES)
    photo(empty.photos / "IMG_1.jpg", None)
    settle_clock(empty.photos)
    assert empty.index().code == 0
    nothing = imgret("places")
    assert (nothing.code, nothing.err.strip()) == (1, "no photo has coordinates")
    assert empty.status()["pending"] == 0


def test_a_query_imports_the_gazetteer_data_only_for_a_name() -> None:
    code = (
        "import sys; from imgret.search.near_filter import near; near('44,9,5km', 0);"
        "print(sorted({'numpy', 'scipy', 'gzip', 'imgret.geography.gazetteer'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
